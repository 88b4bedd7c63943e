import type { DriverPutOptions } from '../../core/storage-driver.js';
import { pickAttributes, type StoredFile, storedFile } from '../../core/stored-file.js';
import type { BodyBeginning } from '../remote/body-beginning.js';
import { PartSender } from '../remote/part-sender.js';
import {
  commitBlocks,
  MAX_BLOCK_SIZE,
  MAX_BLOCKS,
  newBlockIds,
  stageBlock,
} from './azure.blocks.js';
import type { AzureContainer } from './azure.client.js';
import { toEtag } from './azure.metadata.js';

/**
 * One body that goes up in blocks, several at once. It rejects when no request is under way. What was stored before is not
 * touched, and the blocks of an upload that failed are left to the service, which drops them within a week: to delete the
 * blob would delete what others have committed.
 */
export class BlockUpload {
  readonly #blocks: PartSender<string>;

  constructor(
    private readonly container: AzureContainer,
    private readonly key: string,
    partSize: number,
    private readonly options: DriverPutOptions,
    /** Ends the reading of the body, too. */
    private readonly stop = new AbortController(),
  ) {
    const blockId = newBlockIds();
    this.#blocks = new PartSender({
      partSize,
      maxParts: MAX_BLOCKS,
      ...(options.size === undefined && { growTo: MAX_BLOCK_SIZE }),
      concurrency: options.concurrency ?? container.settings.concurrency,
      pool: container.pool,
      signal: options.signal,
      stop,
      send: async (number, bytes, signal) => {
        const id = blockId(number);
        await stageBlock(container, key, id, bytes, signal);
        return id;
      },
    });
  }

  /**
   * @param body bytes, or chunks that end as soon as `stop` is aborted
   * @param beginning a part and more, which was read of the chunks already
   */
  async run(
    body: Uint8Array | AsyncIterator<Uint8Array>,
    beginning?: BodyBeginning,
  ): Promise<StoredFile> {
    const { container, key, options } = this;
    try {
      const ids = await this.#blocks.run(body, beginning);
      const written = await commitBlocks(container, key, ids, options);
      return storedFile({
        ...pickAttributes(options),
        key,
        size: this.#blocks.size,
        etag: toEtag(written.etag),
        lastModified: written.lastModified,
        // The answer tells the MD5 of the list of blocks.
        checksum: options.checksum?.algorithm === 'md5' ? options.checksum : undefined,
        version: written.versionId,
      });
    } catch (error) {
      this.stop.abort(error);
      throw options.signal.aborted ? options.signal.reason : error;
    }
  }
}
