import type { Readable } from 'node:stream';

interface UnreadBody {
  readonly body: Readable;
  readonly storage: string;
}

const warned = new Set<string>();

/** Bodies whose download was dropped before anybody took them: nobody can read them any more, and each holds a connection. */
const unread = new FinalizationRegistry<UnreadBody>(({ body, storage }) => {
  body.destroy();
  if (process.env['NODE_ENV'] === 'production' || warned.has(storage)) return;
  warned.add(storage);
  process.emitWarning(
    `A download from the storage "${storage}" was dropped without reading its body, which held a connection until now; read it, free it with destroy(), or hold it with "await using"`,
    { type: 'StorageWarning', code: 'STORAGE_BODY_NOT_READ' },
  );
});

/** Frees the body if the download is lost before its body is taken; outside production that is told, once per storage. */
export function watchBody(download: object, body: Readable, storage: string): void {
  unread.register(download, { body, storage }, download);
}

export function forgetBody(download: object): void {
  unread.unregister(download);
}
