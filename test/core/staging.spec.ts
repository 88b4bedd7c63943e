import { openStorage } from '../../lib/drivers/open-storage.js';

/** One clock, so that what was staged is older than a millisecond soon. */
async function sweepAll(sweep: () => Promise<{ deleted: number }>, count: number): Promise<void> {
  for (let swept = 0; swept < count;) swept += (await sweep()).deleted;
}

describe('the staging area', () => {
  it('of a storage with a prefix is out of reach of its scopes, and of its listings', async () => {
    await using storage = await openStorage('files', { driver: 'memory', prefix: 'p/' });
    await storage.stage('secret');
    expect((await storage.listPage()).files).toEqual([]);
    expect((await storage.listPage({ prefix: '.n' })).files).toEqual([]);
    expect((await storage.scope('.n').listPage()).files).toEqual([]);
    await expect(storage.scope('.nestjs-stor').info('ages/staged/x')).rejects.toMatchObject({
      code: 'INVALID_KEY',
    });
    expect(() => storage.scope('.nestjs-storages/')).toThrow(/reserved/);
  });

  it('has no file of another name, and says who asked', async () => {
    await using storage = await openStorage('files', { driver: 'memory' });
    await expect(storage.staged('0'.repeat(32))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      operation: 'staged',
    });
  });

  it('tells who wants a file twice what becomes of it', async () => {
    await using storage = await openStorage('files', { driver: 'memory' });
    const committed = await storage.stage('abc');
    const committing = committed.commit('a');
    await expect(committed.commit('b')).rejects.toThrow('being committed');
    await committing;
    const discarded = await storage.stage('abc');
    const discarding = discarded.discard();
    await expect(discarded.commit('b')).rejects.toThrow('being discarded');
    await discarding;
  });

  it('is swept as a whole by the storage, and only in its own part by a scope', async () => {
    await using storage = await openStorage('files', { driver: 'memory' });
    await storage.stage('of the storage');
    await storage.scope('a/').stage('of a scope');
    await storage.scope('b/').stage('of another');
    await sweepAll(() => storage.scope('a/').sweepStaged({ olderThan: 1 }), 1);
    expect(await storage.scope('a/').sweepStaged({ olderThan: 1 })).toEqual({
      deleted: 0,
      failed: [],
    });
    await sweepAll(() => storage.sweepStaged({ olderThan: 1 }), 2);
  });
});
