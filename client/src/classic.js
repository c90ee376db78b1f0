/* The script for pages without modules: defines Sync and nothing else. */
import {Sync} from './sync.js';

self.Sync = Sync;
