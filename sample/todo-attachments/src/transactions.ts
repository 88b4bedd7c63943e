import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, EntityManager } from 'typeorm';

/**
 * The way to the database: transactions, one after the other. sql.js has a single connection, on which two at a time would be one:
 * each would see what the other has not committed, and roll it back. On a database with a pool, this is `dataSource.transaction()`.
 */
@Injectable()
export class Transactions {
  #last: Promise<unknown> = Promise.resolve();

  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  run<T>(work: (entities: EntityManager) => Promise<T>): Promise<T> {
    const result = this.#last.then(() => this.dataSource.transaction(work));
    this.#last = result.catch(() => {});
    return result;
  }
}
