import { Injectable } from '@nestjs/common';
import { InjectStorage, Storage } from 'nestjs-storages';
import { Pictures } from './pictures.js';

/** Photos of authors, with thumbnails that are cut to a square. */
@Injectable()
export class Photos extends Pictures {
  constructor(@InjectStorage('photos') storage: Storage) {
    super(storage, { width: 160, height: 160, fit: 'cover' });
  }
}
