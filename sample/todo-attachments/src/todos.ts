import { Injectable, NotFoundException } from '@nestjs/common';
import type { StoredUpload } from 'nestjs-storages';
import type { EntityManager } from 'typeorm';
import { DiscardedFiles } from './discarded-files.js';
import { Attachment, Todo } from './todo.entities.js';
import { Transactions } from './transactions.js';

@Injectable()
export class Todos {
  constructor(
    private readonly transactions: Transactions,
    private readonly discarded: DiscardedFiles,
  ) {}

  add(title: string): Promise<Todo> {
    return this.transactions.run((entities) => entities.save(entities.create(Todo, { title })));
  }

  list(): Promise<Todo[]> {
    return this.transactions.run((entities) =>
      entities.find(Todo, { relations: { attachments: true }, order: { since: 'ASC' } }),
    );
  }

  /** Deletes the todo with its attachments. */
  async remove(id: string): Promise<void> {
    await this.transactions.run(async (entities) => {
      await existing(entities, id);
      const attachments = await entities.findBy(Attachment, { todoId: id });
      await this.#give(entities, attachments);
      await entities.delete(Todo, { id });
    });
    await this.discarded.sweep();
  }

  /** When the row cannot be saved, the upload fails, and so its file is removed. */
  attach(todoId: string, upload: StoredUpload): Promise<Attachment> {
    const { key, originalname: name, mimetype: contentType, size } = upload;
    return this.transactions.run(async (entities) => {
      await existing(entities, todoId);
      const attachment = entities.create(Attachment, { todoId, key, name, contentType, size });
      await entities.save(attachment);
      // With the row, the file stays, also when the client does not wait for the answer: one that has gone already makes this throw.
      upload.keep();
      return attachment;
    });
  }

  attachment(todoId: string, id: string): Promise<Attachment> {
    return this.transactions.run((entities) => attached(entities, todoId, id));
  }

  async detach(todoId: string, id: string): Promise<void> {
    await this.transactions.run(async (entities) => {
      await this.#give(entities, [await attached(entities, todoId, id)]);
    });
    await this.discarded.sweep();
  }

  /** The files are deleted once the transaction is committed. */
  async #give(entities: EntityManager, attachments: readonly Attachment[]): Promise<void> {
    await this.discarded.note(
      entities,
      attachments.map(({ key }) => key),
    );
    for (const { id } of attachments) await entities.delete(Attachment, { id });
  }
}

async function existing(entities: EntityManager, id: string): Promise<Todo> {
  const todo = await entities.findOneBy(Todo, { id });
  if (!todo) throw new NotFoundException('There is no such todo');
  return todo;
}

async function attached(entities: EntityManager, todoId: string, id: string): Promise<Attachment> {
  const attachment = await entities.findOneBy(Attachment, { id, todoId });
  if (!attachment) throw new NotFoundException('There is no such attachment');
  return attachment;
}
