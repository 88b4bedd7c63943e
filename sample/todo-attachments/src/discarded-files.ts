import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { InjectStorage, Storage } from 'nestjs-storages';
import { type EntityManager, In } from 'typeorm';
import { DiscardedFile } from './discarded-file.entity.js';
import { Transactions } from './transactions.js';

/** Files that one sweep deletes at most. */
const BATCH = 1000;
/** Milliseconds that a sweep gives the storage. Whoever has deleted a todo waits for it. */
const PATIENCE = 5000;

/**
 * Deletes files after the transaction that gives them up: a storage takes part in no transaction, so a file that is deleted
 * before the commit is lost when the commit fails, and one that is deleted after it may stay. Here it is noted until it is gone.
 */
@Injectable()
export class DiscardedFiles implements OnApplicationBootstrap {
  readonly #logger = new Logger(DiscardedFiles.name);

  constructor(
    @InjectStorage('attachments') private readonly files: Storage,
    private readonly transactions: Transactions,
  ) {}

  /** What a process that was killed has left. */
  onApplicationBootstrap(): Promise<void> {
    return this.sweep();
  }

  /** Notes the files in the transaction in which nothing refers to them any more. */
  async note(entities: EntityManager, keys: readonly string[]): Promise<void> {
    await entities.insert(
      DiscardedFile,
      keys.map((key) => ({ key })),
    );
  }

  /** Deletes what is noted, and forgets what is deleted. What the storage does not delete is left to the next sweep. */
  @Interval(60_000)
  async sweep(): Promise<void> {
    const noted = await this.transactions.run((entities) =>
      // A file that nobody can delete does not hold up the others.
      entities.find(DiscardedFile, { order: { attempts: 'ASC' }, take: BATCH }),
    );
    if (noted.length === 0) return;
    const keys = noted.map(({ key }) => key);
    const deleted = await this.#delete(keys);
    const left = keys.filter((key) => !deleted.includes(key));
    await this.transactions.run(async (entities) => {
      await entities.delete(DiscardedFile, { key: In(deleted) });
      await entities.increment(DiscardedFile, { key: In(left) }, 'attempts', 1);
    });
  }

  /** The keys of those that are gone: also of those that were before. */
  async #delete(keys: readonly string[]): Promise<readonly string[]> {
    try {
      const { deleted, failed } = await this.files.deleteMany(keys, {
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (failed[0]) this.#warn(failed.length, failed[0].error);
      return deleted;
    } catch (error) {
      this.#warn(keys.length, error);
      return [];
    }
  }

  #warn(count: number, error: unknown): void {
    this.#logger.warn(
      `${count} files are not deleted yet, and will be tried again: ${String(error)}`,
    );
  }
}
