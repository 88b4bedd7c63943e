import { assertOptions, shown } from './arguments.js';
import { StorageInvalidArgumentError } from './errors.js';
import type { ProgressCallback } from './progress.js';
import type {
  CommitOptions,
  CompleteMultipartOptions,
  CopyOptions,
  DeleteOptions,
  DeletePrefixOptions,
  GetOptions,
  ListOptions,
  ListPageOptions,
  MultipartOptions,
  PartUrlOptions,
  PutOptions,
  ResumeMultipartOptions,
  SignalOption,
  StageOptions,
  SweepOptions,
  SweepStagedOptions,
  UploadPartOptions,
} from './storage-methods.js';
import type { FileAttributes, StoredFile } from './stored-file.js';

/** What the options of any call may hold, whatever the call. */
export interface CallOptions extends SignalOption {
  onProgress?: ProgressCallback;
}

type Names<Options> = Readonly<Record<keyof Options, true>>;

interface KnownOptions {
  /** And those of a stored file, whose attributes may be spread. */
  readonly names: ReadonlySet<string>;
  /** The options without their case. */
  readonly byLetters: ReadonlyMap<string, string>;
}

/** What a stored file has beside its attributes. */
const FILE: Names<Omit<StoredFile, keyof FileAttributes>> = {
  key: true,
  size: true,
  etag: true,
  lastModified: true,
  checksum: true,
  version: true,
};
const ATTRIBUTES: Names<FileAttributes> = {
  contentType: true,
  metadata: true,
  cacheControl: true,
  contentDisposition: true,
  contentEncoding: true,
  contentLanguage: true,
};
const SIGNAL: Names<SignalOption> = { signal: true };
const BODY: Names<UploadPartOptions> = { ...SIGNAL, size: true, checksum: true };
const WRITE: Names<CompleteMultipartOptions> = { ...SIGNAL, ifNoneMatch: true, ifMatch: true };
const COPY: Names<CopyOptions & CommitOptions> = {
  ...SIGNAL,
  ...ATTRIBUTES,
  ifNoneMatch: true,
};
const STAGE: Names<StageOptions> = {
  ...BODY,
  ...ATTRIBUTES,
  partSize: true,
  concurrency: true,
  onProgress: true,
};
const PUT: Names<PutOptions> = { ...STAGE, ...WRITE };
const GET: Names<GetOptions> = {
  ...WRITE,
  ifModifiedSince: true,
  ifUnmodifiedSince: true,
  range: true,
  verify: true,
  concurrency: true,
  partSize: true,
  onProgress: true,
};
const LIST: Names<ListOptions> = { ...SIGNAL, limit: true, startAfter: true, delimiter: true };
const LIST_PAGE: Names<ListPageOptions> = { ...LIST, prefix: true, cursor: true };
const DELETE: Names<DeleteOptions> = { ...SIGNAL, ifMatch: true };
const DELETE_PREFIX: Names<DeletePrefixOptions> = { ...SIGNAL, all: true };
const SWEEP_STAGED: Names<SweepStagedOptions> = { ...SIGNAL, olderThan: true };
const SWEEP: Names<SweepOptions> = { ...SWEEP_STAGED, dryRun: true };
const MULTIPART: Names<MultipartOptions> = {
  ...SIGNAL,
  ...ATTRIBUTES,
  size: true,
  partSize: true,
};
const PART_URL: Names<PartUrlOptions> = { ...BODY, expiresIn: true };
const RESUME: Names<ResumeMultipartOptions> = {
  ...WRITE,
  verify: true,
  concurrency: true,
  onProgress: true,
};

/** By the name of the call; those that are not here take a signal, or look at their options themselves. */
const KNOWN: ReadonlyMap<string, KnownOptions> = new Map(
  Object.entries({
    put: PUT,
    stage: STAGE,
    commit: COPY,
    get: GET,
    getBytes: GET,
    list: LIST,
    listPage: LIST_PAGE,
    delete: DELETE,
    deletePrefix: DELETE_PREFIX,
    copy: COPY,
    move: COPY,
    sweep: SWEEP,
    sweepStaged: SWEEP_STAGED,
    startMultipartUpload: MULTIPART,
    uploadPart: BODY,
    uploadPartUrl: PART_URL,
    completeMultipartUpload: WRITE,
    resumeMultipartUpload: RESUME,
  }).map(([call, names]) => [call, knownOptions(names)]),
);
const ONLY_SIGNAL = knownOptions(SIGNAL);

/** @throws StorageInvalidArgumentError for what no call takes, and for an option that is meant but misspelt */
export function assertCallOptions(call: string, options: CallOptions): void {
  assertOptions(options);
  const { signal, onProgress } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new StorageInvalidArgumentError(`signal must be an AbortSignal, not ${shown(signal)}`);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new StorageInvalidArgumentError(
      `onProgress must be a function, not ${shown(onProgress)}`,
    );
  }
  const { names, byLetters } = KNOWN.get(call) ?? ONLY_SIGNAL;
  for (const name in options) {
    if (names.has(name) || options[name as keyof CallOptions] === undefined) continue;
    const meant = meantOption(name, byLetters);
    if (meant === undefined) continue;
    throw new StorageInvalidArgumentError(`There is no option "${name}": did you mean ${meant}?`);
  }
}

function knownOptions(options: Readonly<Record<string, true>>): KnownOptions {
  const names = Object.keys(options);
  return {
    names: new Set([...names, ...Object.keys(FILE)]),
    byLetters: new Map(names.map((name) => [name.toLowerCase(), name])),
  };
}

/**
 * The option that a name is of but for its case, hyphens and one slip. Any other name may be meant for something else: a file
 * whose attributes are spread has more than those that are stored.
 */
function meantOption(name: string, byLetters: KnownOptions['byLetters']): string | undefined {
  const letters = name.replaceAll(/[-_]/g, '').toLowerCase();
  const same = byLetters.get(letters);
  if (same !== undefined) return same;
  for (const [known, meant] of byLetters) {
    if (known.length >= LEAST_LETTERS && isSlip(letters, known)) return meant;
  }
  return undefined;
}

/** Of shorter options, such as `size`, one letter makes another word. */
const LEAST_LETTERS = 5;

/** Whether one letter is too many, missing or another one, or two have changed places. */
function isSlip(given: string, known: string): boolean {
  let at = 0;
  while (at < known.length && given[at] === known[at]) at++;
  const [rest, knownRest] = [given.slice(at), known.slice(at)];
  return (
    rest.slice(1) === knownRest ||
    rest === knownRest.slice(1) ||
    rest.slice(1) === knownRest.slice(1) ||
    (rest[0] === knownRest[1] && rest[1] === knownRest[0] && rest.slice(2) === knownRest.slice(2))
  );
}
