import { abort } from './abort.js';
import { attributes, metadata } from './attributes.js';
import type { BehaviourGroup } from './behaviour.js';
import { readConditions, writeConditions } from './conditions.js';
import { copy, move } from './copy-move.js';
import { declaredCapabilities } from './declared-capabilities.js';
import { deletion } from './delete.js';
import { errors } from './errors.js';
import { failingBodies } from './failing-bodies.js';
import { folders } from './folders.js';
import { get } from './get.js';
import { integrity } from './integrity.js';
import { keys } from './keys.js';
import { list } from './list.js';
import { manyFileBehaviours } from './many-files.js';
import { multipart } from './multipart.js';
import { pages } from './pages.js';
import { parallelGet } from './parallel-get.js';
import { progress } from './progress.js';
import { bodyKinds, put } from './put.js';
import { races } from './races.js';
import { ranges } from './ranges.js';
import { resume } from './resume.js';
import { secondStorage } from './second-storage.js';
import { servedUrls } from './served-urls.js';
import { partUrls, signedParts } from './signed-parts.js';
import { signedUploads } from './signed-uploads.js';
import { staging } from './staging.js';
import { sweeps } from './sweep.js';
import { uploadListing } from './upload-listing.js';
import { urls } from './urls.js';
import { verifiedReads } from './verified-reads.js';
import { closing, readonlyViews, scopes, shutdown } from './views.js';

/** Everything that the kit holds a storage to, by topic. */
export const storageBehaviours: readonly BehaviourGroup[] = [
  { name: 'capabilities', behaviours: declaredCapabilities },
  { name: 'bodies', behaviours: bodyKinds },
  { name: 'put', behaviours: put },
  { name: 'sizes and checksums', behaviours: integrity },
  { name: 'bodies that fail', behaviours: failingBodies },
  { name: 'get', behaviours: get },
  { name: 'parallel downloads', behaviours: parallelGet },
  { name: 'verified reads', behaviours: verifiedReads },
  { name: 'ranges', behaviours: ranges },
  { name: 'conditions of reads', behaviours: readConditions },
  { name: 'conditions of writes', behaviours: writeConditions },
  { name: 'attributes', behaviours: attributes },
  { name: 'metadata', behaviours: metadata },
  { name: 'keys', behaviours: keys },
  { name: 'files and folders', behaviours: folders },
  { name: 'list', behaviours: list },
  { name: 'pages', behaviours: pages },
  { name: 'many files', behaviours: manyFileBehaviours },
  { name: 'delete', behaviours: deletion },
  { name: 'copy', behaviours: copy },
  { name: 'move', behaviours: move },
  { name: 'staged files', behaviours: staging },
  { name: 'multipart uploads', behaviours: multipart },
  { name: 'multipart uploads under way', behaviours: uploadListing },
  { name: 'resumed uploads', behaviours: resume },
  { name: 'sweeps', behaviours: sweeps },
  { name: 'races', behaviours: races },
  { name: 'a second storage', behaviours: secondStorage },
  { name: 'progress', behaviours: progress },
  { name: 'abort', behaviours: abort },
  { name: 'errors', behaviours: errors },
  { name: 'scopes', behaviours: scopes },
  { name: 'read-only views', behaviours: readonlyViews },
  { name: 'close', behaviours: closing },
  { name: 'URLs', behaviours: urls },
  { name: 'URLs of parts', behaviours: partUrls },
];

/** What holds for whole storages, and not for views of them. */
export const shutdownBehaviours: BehaviourGroup = { name: 'shutdown', behaviours: shutdown };

/** What can only be seen where signed URLs are served. */
export const servedBehaviours: readonly BehaviourGroup[] = [
  { name: 'served URLs', behaviours: servedUrls },
  { name: 'signed uploads', behaviours: signedUploads },
  { name: 'signed parts', behaviours: signedParts },
];
