/* The ES module: Sync, with its parts as members (Sync.Service) and by name. */
export {Sync as default, Sync} from './sync.js';
