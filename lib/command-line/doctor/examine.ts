import { randomUUID } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import type { ContainerClient } from '@azure/storage-blob';
import type { Storage as GcsClient } from '@google-cloud/storage';
import { StorageError, StorageFileExistsError } from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import { describeFailure } from '../failure.js';
import type { Observation } from './observation.js';

export interface Examined {
  readonly storage: Storage;
  /** Of S3 and GCS, for what only their own APIs tell. */
  readonly bucket: string | undefined;
  /** Whose pages are to send files to the bucket. */
  readonly origin: string | undefined;
  readonly signal: AbortSignal;
  readonly report: (observation: Observation) => Promise<void>;
}

type Right = 'list' | 'put' | 'get' | 'delete';

/** What each service calls the right. */
const RIGHTS: Readonly<Record<string, Readonly<Record<Right, string>>>> = {
  s3: {
    list: 's3:ListBucket on the bucket',
    put: 's3:PutObject on its objects',
    get: 's3:GetObject on its objects',
    delete: 's3:DeleteObject on its objects',
  },
  gcs: {
    list: 'storage.objects.list',
    put: 'storage.objects.create (and storage.objects.delete, to overwrite)',
    get: 'storage.objects.get',
    delete: 'storage.objects.delete',
  },
  azure: {
    list: 'the role Storage Blob Data Contributor, or l in the SAS',
    put: 'the role Storage Blob Data Contributor, or c and w in the SAS',
    get: 'the role Storage Blob Data Contributor, or r in the SAS',
    delete: 'the role Storage Blob Data Contributor, or d in the SAS',
  },
};

/** Milliseconds. Services refuse signatures from 5 (Azure's SAS) or 15 minutes (S3) on; nobody's clock is off that much overnight. */
const CLOCK_TOLERANCE = 60_000;

/**
 * Tries everything that an app does with a storage, under random keys that it deletes again, and tells what of it does not work and
 * what to change. Returns the number of findings.
 */
export async function examine(examined: Examined): Promise<number> {
  const examination = new Examination(examined);
  await examination.run();
  return examination.findings;
}

class Examination {
  findings = 0;
  readonly #storage: Storage;
  readonly #options: { signal: AbortSignal };
  /** Keys that are to be deleted again: what is stored, and what may be. */
  readonly #stored = new Set<string>();
  readonly #key = `doctor-${randomUUID()}`;
  readonly #bytes = Buffer.from('Written by nestjs-storages doctor. It may be deleted.\n');

  constructor(private readonly examined: Examined) {
    this.#storage = examined.storage;
    this.#options = { signal: examined.signal };
  }

  async run(): Promise<void> {
    const storage = this.#storage;
    const opened = await this.#attempt('open', () => storage.open());
    if (opened !== true) return;
    const key = this.#key;
    const listed = await this.#attempt('list', async () => {
      await storage.listPage({ ...this.#options, prefix: key, limit: 1 });
    });
    if (listed === 'unreachable') return;
    try {
      const before = Date.now();
      const put = await this.#attempt('put', async () => {
        this.#stored.add(key);
        await storage.put(key, this.#bytes, this.#options);
      });
      const after = Date.now();
      if (put === false) this.#stored.delete(key);
      if (put === true) {
        await this.#attempt('get', async () => {
          const download = await storage.get(key, this.#options);
          const read = await download.bytes();
          if (!read.equals(this.#bytes)) throw new Error('what is read is not what was stored');
          await this.#clock(download.file.lastModified, before, after);
        });
        await this.#createOnly();
      }
      await this.#multipart();
    } finally {
      // When the examination was interrupted, too: the probes are nobody's files.
      if (this.#stored.size > 0) await this.#attempt('delete', () => this.#deleteStored());
    }
    await this.#rules();
  }

  /** Compares when a file was stored by the service's clock and by ours. */
  async #clock(lastModified: Date | undefined, before: number, after: number): Promise<void> {
    if (!lastModified) {
      return this.#skip('clock', 'the service does not tell when it stored a file');
    }
    // Services tell whole seconds.
    const stored = lastModified.getTime();
    const skew = stored > after ? stored - after : Math.min(0, stored + 1000 - before);
    const seconds = Math.round(Math.abs(skew) / 1000);
    if (Math.abs(skew) <= CLOCK_TOLERANCE) {
      return this.#tell({ check: 'clock', outcome: 'ok', detail: `within ${seconds} s` });
    }
    await this.#tell({
      check: 'clock',
      outcome: 'finding',
      detail: `the clock here is ${seconds} s ${skew > 0 ? 'behind' : 'ahead of'} that of the storage`,
      advice: 'Set it by NTP: signatures are refused, and signed URLs expire too early or too late',
    });
  }

  async #createOnly(): Promise<void> {
    if (!this.#storage.capabilities.createOnly) {
      const detail = 'not offered by this provider: `put` with ifNoneMatch is refused';
      return this.#skip('create-only', detail);
    }
    const options = { ...this.#options, ifNoneMatch: '*' as const };
    try {
      await this.#storage.put(this.#key, this.#bytes, options);
    } catch (error) {
      if (!(error instanceof StorageFileExistsError)) return this.#fail('create-only', error);
      return this.#tell({
        check: 'create-only',
        outcome: 'ok',
        detail: 'a key that is taken is refused',
      });
    }
    await this.#tell({
      check: 'create-only',
      outcome: 'finding',
      detail: 'a create-only write has overwritten a file: the service ignores If-None-Match',
      advice:
        'Name the service by `provider`, so that what it does not honour is refused, or take a newer release of it',
    });
  }

  async #multipart(): Promise<void> {
    const storage = this.#storage;
    const options = this.#options;
    if (!storage.capabilities.multipart) return this.#skip('multipart', 'not offered');
    const key = `${this.#key}-parts`;
    let complete = false;
    const worked = await this.#attempt('multipart', async () => {
      const upload = await storage.startMultipartUpload(key, options);
      try {
        const part = await storage.uploadPart(upload, 1, this.#bytes, options);
        this.#stored.add(key);
        await storage.completeMultipartUpload(upload, [part], options);
        complete = true;
      } finally {
        // Its failure must not hide that of the upload, which has the same reason more often than not.
        if (!complete) await storage.abortMultipartUpload(upload, {}).catch(() => {});
      }
    });
    if (worked === false) this.#stored.delete(key);
  }

  /** Tries each, also when another one failed. */
  async #deleteStored(): Promise<void> {
    const deletions = [...this.#stored].map(async (key) => {
      await this.#storage.delete(key);
      this.#stored.delete(key);
    });
    const failed = (await Promise.allSettled(deletions)).find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** What a bucket does by itself. The clients are loaded with what asks them, because other storages do without the SDKs. */
  async #rules(): Promise<void> {
    for (const observation of await this.#readRules()) await this.#tell(observation);
  }

  async #readRules(): Promise<readonly Observation[]> {
    const { bucket, origin, signal } = this.examined;
    const { driver, client, prefix } = this.#storage;
    if (driver === 's3' && bucket !== undefined) {
      const { observeCors, observeLifecycle } = await import('./s3-rules.js');
      const place = { client: client as S3Client, bucket, signal };
      return [await observeCors(place, origin), await observeLifecycle(place, prefix)];
    }
    if (driver === 'gcs' && bucket !== undefined) {
      const { observeGcs } = await import('./gcs-rules.js');
      return observeGcs(client as GcsClient, bucket, origin);
    }
    if (driver === 'azure') {
      const { observeAzure } = await import('./azure-rules.js');
      return observeAzure(client as ContainerClient, origin, signal);
    }
    return [
      {
        check: 'cors',
        outcome: 'skipped',
        detail: 'files are sent to the app, whose own CORS it is',
      },
      {
        check: 'lifecycle',
        outcome: 'skipped',
        detail: 'there are no rules: `sweep` removes what was abandoned',
      },
    ];
  }

  /** Whether it worked; `unreachable` when nothing else will, either. */
  async #attempt(
    check: Observation['check'],
    work: () => Promise<void>,
  ): Promise<boolean | 'unreachable'> {
    try {
      await work();
    } catch (error) {
      await this.#fail(check, error);
      const { code } = error as { code?: string };
      return code === 'CONNECTION_FAILED' || code === 'TIMEOUT' || code === 'CONFIGURATION'
        ? 'unreachable'
        : false;
    }
    if (check !== 'open') await this.#tell({ check, outcome: 'ok', detail: 'works' });
    return true;
  }

  async #fail(check: Observation['check'], error: unknown): Promise<void> {
    // What is left behind is told to whoever interrupted, too.
    if (check !== 'delete') this.examined.signal.throwIfAborted();
    const denied = error instanceof StorageError && error.code === 'PERMISSION_DENIED';
    const right =
      RIGHTS[this.#storage.driver]?.[
        check === 'list' || check === 'get' || check === 'delete' ? check : 'put'
      ];
    const left = check === 'delete' ? `; left behind: ${[...this.#stored].join(', ')}` : '';
    await this.#tell({
      check,
      outcome: 'finding',
      detail: `${describeFailure(error)}${left}`,
      ...(denied && { advice: `Grant ${right ?? 'read and write access'} to who runs this` }),
    });
  }

  async #skip(check: Observation['check'], detail: string): Promise<void> {
    await this.#tell({ check, outcome: 'skipped', detail });
  }

  async #tell(observation: Observation): Promise<void> {
    if (observation.outcome === 'finding') this.findings++;
    await this.examined.report(observation);
  }
}
