import { Injectable } from '@nestjs/common';
import { InjectStorage, Storage } from 'nestjs-storages';

@Injectable()
export class Avatars {
  constructor(@InjectStorage('avatars') readonly storage: Storage) {}

  /** A link to the picture for whoever has it, for an hour. */
  link(key: string): Promise<string> {
    return this.storage.url(key, { expiresIn: '1h' });
  }

  /** Takes the picture away from the page, and keeps it. */
  async retire(key: string): Promise<void> {
    await this.storage.move(key, `retired/${key}`);
  }
}
