import { type ExecutionContext, Injectable, Scope } from '@nestjs/common';
import { randomKey, type UploadInterceptorOptions, type UploadPolicy } from 'nestjs-storages';
import { prefixOf, TenantFiles } from './tenant-files.js';
import type { TenantRequest } from './tenant.guard.js';

/** Most that a form has besides its file. */
const FORM = 4096;

/** Stores uploads among the tenant's files, and refuses at once what is beyond the quota by the length that is announced. */
@Injectable({ scope: Scope.REQUEST })
export class TenantUploads implements UploadPolicy<TenantRequest> {
  constructor(private readonly files: TenantFiles) {}

  async optionsFor(context: ExecutionContext): Promise<UploadInterceptorOptions<TenantRequest>> {
    const { headers } = context.switchToHttp().getRequest<TenantRequest>();
    await this.files.assertQuota(Math.max(Number(headers['content-length'] ?? 0) - FORM, 0));
    const { tenant } = this.files;
    return {
      storage: 'files',
      maxSize: tenant.quota,
      key: async (file, request) => `${prefixOf(tenant)}${await randomKey(file, request)}`,
    };
  }
}
