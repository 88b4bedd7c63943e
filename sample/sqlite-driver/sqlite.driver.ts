import { randomUUID } from 'node:crypto';
import {
  type Capabilities,
  checkReadConditions,
  checkWriteConditions,
  type DriverBody,
  type DriverCopyOptions,
  type DriverDeleteResult,
  type DriverDownload,
  type DriverGetOptions,
  type DriverListOptions,
  type DriverPutOptions,
  type ListPage,
  readBody,
  resolveRange,
  type StorageDriver,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageUnsupportedError,
  type StoredFile,
  storedFile,
} from 'nestjs-storages';
import type { Database, SqlValue } from 'sql.js';

const MEBIBYTE = 1024 ** 2;

/** Attributes as they are kept, in JSON. */
type Attributes = Pick<
  StoredFile,
  | 'contentType'
  | 'metadata'
  | 'cacheControl'
  | 'contentDisposition'
  | 'contentEncoding'
  | 'contentLanguage'
>;

type Row = Readonly<Record<string, SqlValue>>;

/** Files in a table of SQLite: for small ones, that are to be backed up together with the rest of a database. */
export class SqliteDriver implements StorageDriver<Database> {
  readonly name = 'sqlite';

  readonly capabilities: Capabilities = {
    createOnly: true,
    compareAndSet: true,
    conditionalDelete: false,
    createOnlyCopy: true,
    conditionalGet: true,
    ranges: true,
    metadata: true,
    headers: true,
    delimiters: 'any',
    atomicMove: true,
    multipart: false,
    multipartListing: false,
    signedUrls: false,
    signedCacheControl: false,
    signedUploads: { PUT: false, POST: false },
    signedParts: false,
    checksums: [],
    // There is nothing that a second try would better.
    retries: true,
    limits: {
      maxObjectSize: 256 * MEBIBYTE,
      minPartSize: 0,
      maxPartSize: 256 * MEBIBYTE,
      maxParts: 10_000,
      deleteBatch: 1000,
      maxExpiresIn: 3600,
    },
  };

  /** @param client closed with the storage */
  constructor(readonly client: Database) {
    // Text is compared by its UTF-8 bytes, which is the order of listings.
    client.run(`CREATE TABLE IF NOT EXISTS files (
      key TEXT PRIMARY KEY, bytes BLOB NOT NULL, size INTEGER NOT NULL,
      etag TEXT NOT NULL, modified INTEGER NOT NULL, attributes TEXT NOT NULL
    ) WITHOUT ROWID`);
  }

  async put(key: string, body: DriverBody, options: DriverPutOptions): Promise<StoredFile> {
    const bytes = await readBody(body);
    options.signal.throwIfAborted();
    // Nothing else runs between the check and the write: SQLite answers at once.
    checkWriteConditions(this.#find(key), options);
    return this.#store(key, bytes, options);
  }

  async get(key: string, { range, ...conditions }: DriverGetOptions): Promise<DriverDownload> {
    const file = this.#file(key);
    checkReadConditions(file, conditions);
    const resolved = range && resolveRange(range, file.size);
    const [row] = this.#all('SELECT substr(bytes, ?, ?) AS part FROM files WHERE key = ?', [
      (resolved?.start ?? 0) + 1,
      resolved ? resolved.end - resolved.start + 1 : file.size,
      key,
    ]);
    // SQLite answers null for a part of nothing.
    const body = (row!['part'] as Uint8Array | null) ?? new Uint8Array();
    return { file, body, ...(resolved && { range: resolved }) };
  }

  async info(key: string): Promise<StoredFile> {
    return this.#file(key);
  }

  async *list(options: DriverListOptions): AsyncGenerator<ListPage, void> {
    const { prefix, delimiter, startAfter, pageSize, cursor } = options;
    let passed = cursor === undefined ? undefined : decodeCursor(cursor);
    for (;;) {
      const files: StoredFile[] = [];
      const prefixes: string[] = [];
      let last: string | undefined;
      let more = false;
      for (const row of this.#rowsAfter(passed ?? startAfter, prefix)) {
        const key = row['key'] as string;
        const cut = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
        const common = cut === -1 ? undefined : key.slice(0, cut + delimiter!.length);
        if (common !== undefined && (common === last || common === passed)) continue;
        if (files.length + prefixes.length === pageSize) {
          more = true;
          break;
        }
        if (common === undefined) files.push(storedFile({ key, ...listed(row) }));
        else prefixes.push(common);
        last = common ?? key;
      }
      yield { files, prefixes, ...(more && { cursor: encodeCursor(last!) }) };
      if (!more) return;
      passed = last;
    }
  }

  async deleteMany(keys: readonly string[]): Promise<DriverDeleteResult> {
    for (const key of keys) this.client.run('DELETE FROM files WHERE key = ?', [key]);
    return { failed: [] };
  }

  async copy(from: string, to: string, options: DriverCopyOptions): Promise<StoredFile> {
    const { move, ifNoneMatch, signal: _signal, ...attributes } = options;
    const source = this.#file(from);
    checkWriteConditions(this.#find(to), { ...(ifNoneMatch && { ifNoneMatch }) });
    const [row] = this.#all('SELECT bytes FROM files WHERE key = ?', [from]);
    const file = this.#store(to, row!['bytes'] as Uint8Array, { ...source, ...attributes });
    if (move) this.client.run('DELETE FROM files WHERE key = ?', [from]);
    return file;
  }

  // The storage refuses all of these before they get here, because of what `capabilities` says.
  url = refused;
  uploadUrl = refused;
  startMultipartUpload = refused;
  uploadPart = refused;
  uploadPartUrl = refused;
  listParts = refused;
  completeMultipartUpload = refused;
  abortMultipartUpload = refused;

  // oxlint-disable-next-line require-yield
  async *listMultipartUploads(): AsyncGenerator<never, void> {
    await refused();
  }

  async close(): Promise<void> {
    this.client.close();
  }

  #store(key: string, bytes: Uint8Array, given: Attributes): StoredFile {
    const { contentType, metadata, cacheControl } = given;
    const { contentDisposition, contentEncoding, contentLanguage } = given;
    const attributes = JSON.stringify({
      contentType,
      metadata,
      cacheControl,
      contentDisposition,
      contentEncoding,
      contentLanguage,
    });
    this.client.run('INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)', [
      key,
      bytes,
      bytes.byteLength,
      `"${randomUUID()}"`,
      Date.now(),
      attributes,
    ]);
    return this.#file(key);
  }

  #find(key: string): StoredFile | undefined {
    const [row] = this.#all('SELECT size, etag, modified, attributes FROM files WHERE key = ?', [
      key,
    ]);
    if (!row) return undefined;
    const attributes = JSON.parse(row['attributes'] as string) as Attributes;
    return storedFile({ key, ...listed(row), ...attributes });
  }

  #file(key: string): StoredFile {
    const file = this.#find(key);
    if (!file) throw new StorageFileNotFoundError();
    return file;
  }

  /** What starts with the prefix and comes after the key, in order. */
  *#rowsAfter(after: string | undefined, prefix: string): Generator<Row, void> {
    const statement = this.client.prepare(
      'SELECT key, size, etag, modified FROM files WHERE key >= ? AND key > ? ORDER BY key',
    );
    try {
      statement.bind([prefix, after ?? '']);
      while (statement.step()) {
        const row = statement.getAsObject();
        if (!(row['key'] as string).startsWith(prefix)) return;
        yield row;
      }
    } finally {
      statement.free();
    }
  }

  #all(sql: string, values: SqlValue[]): Row[] {
    const statement = this.client.prepare(sql, values);
    try {
      const rows: Row[] = [];
      while (statement.step()) rows.push(statement.getAsObject());
      return rows;
    } finally {
      statement.free();
    }
  }
}

/** The fields that a listing has. */
function listed(row: Row): Pick<StoredFile, 'size' | 'etag' | 'lastModified'> {
  return {
    size: row['size'] as number,
    etag: row['etag'] as string,
    lastModified: new Date(row['modified'] as number),
  };
}

async function refused(): Promise<never> {
  throw new StorageUnsupportedError('SQLite cannot do this');
}

function encodeCursor(after: string): string {
  return Buffer.from(`after ${after}`).toString('base64url');
}

function decodeCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString();
  if (text.startsWith('after ')) return text.slice('after '.length);
  throw new StorageInvalidArgumentError(
    'cursor must be what an earlier page of the same listing gave',
  );
}
