/* React hooks for a store and its Sync:
 *
 *   const notes = useObjects(store, 'note');
 *   const {pending, online} = useSyncStatus(sync); */
import {useCallback, useEffect, useState, useSyncExternalStore} from 'react';

/* The objects of a type, or all; [] until they are read. Renders again at each change. */
export function useObjects(store, type) {
  const [objects, setObjects] = useState([]);
  useEffect(() => {
    let asked = 0; // of two answers the one asked for last counts
    let ended = false;
    const read = async () => {
      const mine = ++asked;
      const list = await store.list(type);
      if (!ended && mine === asked) setObjects(list);
    };
    const end = store.observe(read);
    read();
    return () => { ended = true; end(); };
  }, [store, type]);
  return objects;
}

/* What sync.status() says. Renders again at each change. */
export function useSyncStatus(sync) {
  const subscribe = useCallback(told => {
    const listen = () => { statuses.set(sync, sync.status()); told(); };
    sync.addEventListener('status', listen);
    return () => sync.removeEventListener('status', listen);
  }, [sync]);
  return useSyncExternalStore(subscribe, () => snapshot(sync), () => snapshot(sync));
}

const statuses = new WeakMap(); // React wants the same object until something has changed

function snapshot(sync) {
  if (!statuses.has(sync)) statuses.set(sync, sync.status());
  return statuses.get(sync);
}
