import { Injectable } from '@nestjs/common';
import { InjectStorage, Storage } from 'nestjs-storages';
import { Pictures } from './pictures.js';

/** Covers of books, with thumbnails that show all of them. */
@Injectable()
export class Covers extends Pictures {
  constructor(@InjectStorage('covers') storage: Storage) {
    super(storage, { width: 240, height: 360, fit: 'inside' });
  }
}
