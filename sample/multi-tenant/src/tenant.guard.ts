import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  UnauthorizedException,
} from '@nestjs/common';
import { tenants } from './tenants.js';

export interface Tenant {
  /** A part of keys: letters, digits and `-`. */
  readonly id: string;
  /** Bytes. */
  readonly quota: number;
}

export interface TenantRequest extends IncomingMessage {
  /** Known once the guard has let the request in. */
  tenant?: Tenant;
}

/** Lets in who shows the token of a tenant, and notes whose request it is. */
@Injectable()
export class TenantGuard implements CanActivate {
  canActivate(context: ExecutionContext): true {
    const request = context.switchToHttp().getRequest<TenantRequest>();
    const [, token = ''] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const tenant = tenants.get(createHash('sha256').update(token).digest('hex'));
    if (!tenant) throw new UnauthorizedException('Show the token of a tenant, as a Bearer');
    request.tenant = tenant;
    return true;
  }
}

/** @throws UnauthorizedException for a request that no guard has looked at */
export function tenantOf({ tenant }: TenantRequest): Tenant {
  if (!tenant) throw new UnauthorizedException();
  return tenant;
}
