import { randomBytes } from 'node:crypto';
import { StorageInvalidArgumentError } from '../../../lib/core/errors.js';
import { decodeMetadata, encodeMetadata } from '../../../lib/drivers/azure/azure.metadata.js';
import { listAll, ODD_KEYS, putOptions, readKey, signal, useAzurite } from './open-azure.js';

const { open } = useAzurite();

const METADATA = {
  plain: 'Plain text, with (some) marks: 100 %',
  'user-id': '42',
  '0-digit': 'a',
  '9': 'b',
  'a-': 'trailing',
  'a--b': 'two',
  constructor: 'of objects',
  empty: '',
  spaces: '  a   b  ',
  unicode: 'Grüße, 日本語 😀',
  encoded: "UTF-8''%41",
  tab: 'a\tb',
};

describe('metadata', () => {
  test('comes back as it was, through the wire', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('a'), putOptions({ metadata: METADATA }));
    expect((await azure.driver.info('key', { signal })).metadata).toEqual(METADATA);
  });

  test('has names that are identifiers of C#, one for each of ours', () => {
    const encoded = encodeMetadata(METADATA);
    expect(Object.keys(encoded)).toHaveLength(Object.keys(METADATA).length);
    for (const name of Object.keys(encoded)) expect(name).toMatch(/^[a-z_][a-z0-9_]*$/);
    expect(decodeMetadata(encoded)).toEqual(METADATA);
  });

  test('has ASCII values without spaces that could be lost, and plain ones as they are', () => {
    const encoded = encodeMetadata(METADATA);
    for (const value of Object.values(encoded)) {
      expect(value).toMatch(/^[\x21-\x7E]+(?: [\x21-\x7E]+)*$/);
    }
    expect(encoded['plain']).toBe(METADATA.plain);
  });

  test('of other programs is read as if it were ours', async () => {
    await using azure = await open();
    const metadata = { Author_Name: 'Ann', title: 'x', percent: "utf-8''%zz" };
    await azure.direct.getBlockBlobClient('key').upload('a', 1, { metadata });
    const expected = { 'author-name': 'Ann', title: 'x', percent: "utf-8''%zz" };
    expect((await azure.driver.info('key', { signal })).metadata).toEqual(expected);
    expect((await listAll(azure.driver)).pages[0]!.files[0]!.metadata).toEqual(expected);
  });

  test('of two kilobytes of Unicode text fits', async () => {
    await using azure = await open();
    const metadata = { name: 'ä'.repeat(1022) };
    await azure.driver.put('key', Buffer.from('a'), putOptions({ metadata, ifNoneMatch: '*' }));
    expect((await azure.driver.info('key', { signal })).metadata).toEqual(metadata);
  });

  test('must not have the name that the driver needs for itself', async () => {
    await using azure = await open();
    const metadata = { 'nestjs-storages-write': 'x' };
    const put = azure.driver.put('key', Buffer.from('a'), putOptions({ metadata }));
    await expect(put).rejects.toThrow(StorageInvalidArgumentError);
    expect(azure.proxy.requests).toEqual([]);
  });
});

test.each(ODD_KEYS)('the key %j round-trips', async (key) => {
  await using azure = await open();
  const bytes = randomBytes(100);
  await azure.driver.put(key, bytes, putOptions());
  expect((await readKey(azure.driver, key)).equals(bytes)).toBe(true);
  expect((await listAll(azure.driver)).keys).toEqual([key]);
  await azure.driver.copy(key, `copy of ${key}`, { signal });
  expect((await readKey(azure.driver, `copy of ${key}`)).equals(bytes)).toBe(true);
  expect(await azure.driver.deleteMany([key, `copy of ${key}`], { signal })).toEqual({
    failed: [],
  });
  expect((await listAll(azure.driver)).keys).toEqual([]);
});

test.each([
  ['ASCII', 'a'],
  ['three bytes each', '日'],
  ['four bytes each', '🙂'],
])('a key of 1,024 bytes round-trips: %s', async (_, character) => {
  await using azure = await open();
  const size = Buffer.byteLength(character);
  const segment = character.repeat(Math.floor(255 / size));
  const rest = 1024 - 4 * (Buffer.byteLength(segment) + 1);
  const key = `${`${segment}/`.repeat(4)}${character.repeat(Math.floor(rest / size))}`;
  await azure.driver.put(key, Buffer.from('a'), putOptions());
  expect((await listAll(azure.driver)).keys).toEqual([key]);
  await azure.driver.copy(key, 'copy', { signal });
  const { failed } = await azure.driver.deleteMany([key, 'other'], { signal });
  expect(failed).toEqual([]);
  expect((await listAll(azure.driver)).keys).toEqual(['copy']);
});

test('metadata with names of other programs survives reading and copying', async () => {
  await using azure = await open();
  const foreign = { __proto__x: 'a', Mixed_Case: 'b', _1: 'c', valueof: 'd', constructor_: 'e' };
  await azure.direct.getBlockBlobClient('key').upload('a', 1, { metadata: foreign });
  const { metadata } = await azure.driver.info('key', { signal });
  expect(Object.keys(metadata).every((name) => name === name.toLowerCase())).toBe(true);
  expect(metadata).toMatchObject({ 'mixed-case': 'b', '1': 'c', valueof: 'd' });
  for (const attributes of [{}, { contentType: 'text/css' }]) {
    await azure.driver.copy('key', 'copy', { signal, ...attributes });
    expect((await azure.driver.info('copy', { signal })).metadata).toEqual(metadata);
  }
});
