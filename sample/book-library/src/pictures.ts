import { NotFoundException, UnprocessableEntityException } from '@nestjs/common';
import { ServedFile, type Storage, type StoredUpload } from 'nestjs-storages';
import sharp, { type ResizeOptions } from 'sharp';

/** What a picture may have: the interceptors go by what its header says, and sharp by what it decodes. */
export const MOST_PIXELS = 25_000_000;

/** Keys in the storage. */
export interface Picture {
  readonly key: string;
  readonly thumbnail: string;
}

/** Pictures of one kind: each has a thumbnail, and the two come and go together. */
export abstract class Pictures {
  constructor(
    private readonly storage: Storage,
    private readonly size: ResizeOptions,
  ) {}

  /**
   * Makes the thumbnail, and lets the picture be recorded. When either fails, nothing of the picture stays.
   *
   * @throws UnprocessableEntityException when the picture cannot be decoded
   */
  async add<T>(upload: StoredUpload, record: (picture: Picture) => T): Promise<T> {
    const picture = { key: upload.key, thumbnail: `thumbnails/${upload.key}.webp` };
    const small = await this.#shrink(await this.storage.getBytes(picture.key));
    try {
      await this.storage.put(picture.thumbnail, small);
      // From here on the picture is kept as its record is, also when the client does not wait for the answer.
      upload.keep();
      return record(picture);
    } catch (error) {
      await this.remove(picture);
      throw error;
    }
  }

  async remove(picture: Picture | undefined): Promise<void> {
    if (picture) await this.storage.deleteMany([picture.key, picture.thumbnail]);
  }

  /** @throws NotFoundException when there is no picture */
  serve(picture: Picture | undefined, which: keyof Picture): ServedFile {
    if (!picture) throw new NotFoundException('There is no picture');
    return new ServedFile(this.storage, picture[which]);
  }

  async #shrink(bytes: Uint8Array): Promise<Uint8Array> {
    try {
      // The thumbnail gets none of the metadata, among which may be where a photo was taken; it is turned as that says.
      return await sharp(bytes, { limitInputPixels: MOST_PIXELS })
        .autoOrient()
        .resize({ withoutEnlargement: true, ...this.size })
        .webp()
        .toBuffer();
    } catch (cause) {
      throw new UnprocessableEntityException('The picture cannot be decoded', { cause });
    }
  }
}
