import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, openAsBlob } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { MultipartUpload } from '../../lib/core/multipart.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';

const PART = 5 * 1024 ** 2;
const SIZE = 3 * PART + 1000;

let folder: string;
let path: string;
let sha256: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'killed-uploads-'));
  path = join(folder, 'video.mp4');
  const bytes = randomBytes(SIZE);
  sha256 = createHash('sha256').update(bytes).digest('hex');
  await writeFile(path, bytes);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Begins an upload in another process, which is killed when it has sent parts 1 and 3 and is at part 2. Answers its JSON. */
async function beginAndKill(options: StorageConfiguration): Promise<MultipartUpload> {
  const here = (name: string): string => join(import.meta.dirname, name);
  const child = spawn(
    process.execPath,
    [
      `--import=${pathToFileURL(here('../leaks/register.js')).href}`,
      here('begin-upload.ts'),
      JSON.stringify(options),
      path,
      String(PART),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'close');
  for await (const line of createInterface(child.stdout)) {
    child.kill('SIGKILL');
    await ended;
    return JSON.parse(line) as MultipartUpload;
  }
  throw new Error(`The process ended by itself, with code ${child.exitCode}`);
}

async function hashOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of body) hash.update(chunk);
  return hash.digest('hex');
}

describe('an upload whose process was killed between parts', () => {
  test('is resumed in another process on S3, which sends the missing parts only', async () => {
    const server = await startS3Server({ buckets: ['files'] });
    const options = {
      driver: 's3',
      provider: 'aws',
      bucket: 'files',
      endpoint: server.endpoint,
      region: server.region,
      forcePathStyle: true,
      ...server.credentials,
    } as const;
    const upload = await beginAndKill(options);
    const begun = server.requests.length;
    await using storage = await openStorage('uploads', options);
    const file = await storage.resumeMultipartUpload(upload, await openAsBlob(path));
    expect(file).toMatchObject({ key: 'a/video.mp4', size: SIZE, contentType: 'video/mp4' });
    const sent = server.requests.slice(begun).filter(({ operation }) => operation === 'UploadPart');
    expect(new Set(sent.map(({ query }) => query['partNumber']))).toEqual(new Set(['2', '4']));
    expect(sent).toHaveLength(2);
    expect(await hashOf(await storage.get(upload.key))).toBe(sha256);
    expect(server.multipartUploads('files')).toEqual([]);
    await server.close();
  });

  test('is resumed in another process on the local disk, which reads the missing parts only', async () => {
    const options = { driver: 'local', root: join(folder, 'root'), createRoot: true } as const;
    const upload = await beginAndKill(options);
    await using storage = await openStorage('uploads', options);
    const starts: number[] = [];
    const source = {
      size: SIZE,
      read(range: { start: number; end: number }) {
        starts.push(range.start);
        return createReadStream(path, range);
      },
    };
    await storage.resumeMultipartUpload(upload, source);
    expect(starts.sort((left, right) => left - right)).toEqual([PART, 3 * PART]);
    expect(await hashOf(await storage.get(upload.key))).toBe(sha256);
  });
});
