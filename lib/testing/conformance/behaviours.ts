import { abort } from './abort.js';
import { attributes, metadata } from './attributes.js';
import type { BehaviourGroup } from './behaviour.js';
import { readConditions, writeConditions } from './conditions.js';
import { copy, move } from './copy-move.js';
import { deletion } from './delete.js';
import { errors } from './errors.js';
import { failingBodies } from './failing-bodies.js';
import { get, parallelGet } from './get.js';
import { integrity } from './integrity.js';
import { keys } from './keys.js';
import { list, pages } from './list.js';
import { multipart } from './multipart.js';
import { progress } from './progress.js';
import { bodyKinds, put } from './put.js';
import { ranges } from './ranges.js';
import { servedUrls, urls } from './urls.js';
import { closing, readonlyViews, scopes, shutdown } from './views.js';

/** Everything that the kit holds a storage to, by trade. @publicApi */
export const storageBehaviours: readonly BehaviourGroup[] = [
  { name: 'bodies', behaviours: bodyKinds },
  { name: 'put', behaviours: put },
  { name: 'sizes and checksums', behaviours: integrity },
  { name: 'bodies that fail', behaviours: failingBodies },
  { name: 'get', behaviours: get },
  { name: 'parallel downloads', behaviours: parallelGet },
  { name: 'ranges', behaviours: ranges },
  { name: 'conditions of reads', behaviours: readConditions },
  { name: 'conditions of writes', behaviours: writeConditions },
  { name: 'attributes', behaviours: attributes },
  { name: 'metadata', behaviours: metadata },
  { name: 'keys', behaviours: keys },
  { name: 'list', behaviours: list },
  { name: 'pages', behaviours: pages },
  { name: 'delete', behaviours: deletion },
  { name: 'copy', behaviours: copy },
  { name: 'move', behaviours: move },
  { name: 'multipart uploads', behaviours: multipart },
  { name: 'progress', behaviours: progress },
  { name: 'abort', behaviours: abort },
  { name: 'errors', behaviours: errors },
  { name: 'scopes', behaviours: scopes },
  { name: 'read-only views', behaviours: readonlyViews },
  { name: 'close', behaviours: closing },
  { name: 'URLs', behaviours: urls },
];

/** What holds for whole storages, and not for views of them. @publicApi */
export const shutdownBehaviours: BehaviourGroup = { name: 'shutdown', behaviours: shutdown };

/** What can only be seen where signed URLs are served. @publicApi */
export const servedUrlBehaviours: BehaviourGroup = { name: 'served URLs', behaviours: servedUrls };
