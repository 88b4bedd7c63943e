import type { StoredFile } from '../core/stored-file.js';

// The metadata that @nestjs/swagger reads. To write it needs no import, so the package may be there or not.
const API_PROPERTIES = 'swagger/apiModelPropertiesArray';
const API_PROPERTY = 'swagger/apiModelProperties';

/** A stored file as an API answers it, described for `@nestjs/swagger`. It has no metadata: those are often for the app alone. */
export class StoredFileDto {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  readonly contentType?: string;
  readonly etag?: string;
  readonly lastModified?: Date;

  constructor({ key, size, contentType, etag, lastModified }: StoredFile) {
    this.key = key;
    this.size = size;
    if (contentType !== undefined) this.contentType = contentType;
    if (etag !== undefined) this.etag = etag;
    if (lastModified !== undefined) this.lastModified = lastModified;
  }
}

/** The same with the file's metadata. */
export class StoredFileWithMetadataDto extends StoredFileDto {
  readonly metadata: Readonly<Record<string, string>>;

  constructor(file: StoredFile) {
    super(file);
    this.metadata = { ...file.metadata };
  }
}

describeProperties(StoredFileDto, {
  key: { type: String, required: true, description: 'The key under which the file is stored' },
  size: { type: 'integer', format: 'int64', minimum: 0, required: true, description: 'Bytes' },
  contentType: { type: String, required: false, description: 'Media type', example: 'image/png' },
  etag: { type: String, required: false, description: 'Strong validator, in quotes' },
  lastModified: { type: String, format: 'date-time', required: false },
});
describeProperties(StoredFileWithMetadataDto, {
  metadata: { type: 'object', additionalProperties: { type: 'string' }, required: true },
});

function describeProperties(
  { prototype }: { readonly prototype: object },
  properties: Readonly<Record<string, object>>,
): void {
  const inherited = (Reflect.getMetadata(API_PROPERTIES, prototype) ?? []) as string[];
  const own = Object.keys(properties).map((name) => `:${name}`);
  Reflect.defineMetadata(API_PROPERTIES, [...inherited, ...own], prototype);
  for (const [name, property] of Object.entries(properties)) {
    Reflect.defineMetadata(API_PROPERTY, { isArray: false, ...property }, prototype, name);
  }
}
