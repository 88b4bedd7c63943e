import { Inject, Injectable, PayloadTooLargeException, Scope } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { InjectStorage, Storage, type StoredFile } from 'nestjs-storages';
import { type Tenant, tenantOf, type TenantRequest } from './tenant.guard.js';

/** The files of the tenant whose request it is: a view of the one storage, whose keys cannot leave it. */
@Injectable({ scope: Scope.REQUEST })
export class TenantFiles {
  constructor(
    @Inject(REQUEST) private readonly request: TenantRequest,
    @InjectStorage('files') private readonly files: Storage,
  ) {}

  // Nest makes the providers of a request before it asks the guards, so that the tenant is not known in the constructor.
  get tenant(): Tenant {
    return tenantOf(this.request);
  }

  get storage(): Storage {
    return this.files.scope(prefixOf(this.tenant));
  }

  /** The same file as its tenant sees it. */
  own(file: StoredFile): StoredFile {
    return { ...file, key: file.key.slice(prefixOf(this.tenant).length) };
  }

  /** Bytes of all files. An app with many of them keeps the sum in its database. */
  async used(): Promise<number> {
    let bytes = 0;
    for await (const { size } of this.storage.list()) bytes += size;
    return bytes;
  }

  /**
   * @param more bytes that are about to come
   * @throws PayloadTooLargeException when the files, with these, would be more than the tenant's quota
   */
  async assertQuota(more = 0): Promise<void> {
    const { quota } = this.tenant;
    const used = await this.used();
    if (used + more <= quota) return;
    throw new PayloadTooLargeException({
      statusCode: 413,
      code: 'TENANT_QUOTA_EXCEEDED',
      message: `With this file you would use at least ${used + more} of ${quota} bytes: delete some files first`,
      quota,
    });
  }
}

/** Ends with a slash: without one, the prefix of `acme` is also the beginning of that of `acme-2`. */
export function prefixOf({ id }: Tenant): string {
  return `${id}/`;
}
