/* A page made with the React hooks; built for the test by esbuild. */
import {createElement} from 'react';
import {createRoot} from 'react-dom/client';
import {useObjects, useSyncStatus} from '../../../client/src/react.js';

function Notes({store, sync}) {
  const notes = useObjects(store, 'note');
  const {pending, loggedIn} = useSyncStatus(sync);
  return createElement('p', {id: 'react'}, `${notes.map(({data}) => data).join()} ${pending} ${loggedIn}`);
}

window.renderNotes = (store, sync) => {
  const place = document.body.appendChild(document.createElement('div'));
  const root = createRoot(place);
  root.render(createElement(Notes, {store, sync}));
  return () => root.unmount();
};
