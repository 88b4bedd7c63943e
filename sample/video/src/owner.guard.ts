import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  Injectable,
  UnauthorizedException,
} from '@nestjs/common';
import { config } from './video.config.js';

/** Lets the owner in, by HTTP Basic (RFC 7617): the browser asks for the password, and keeps it. */
@Injectable()
export class OwnerGuard implements CanActivate {
  canActivate(context: ExecutionContext): true {
    const http = context.switchToHttp();
    const { headers } = http.getRequest<IncomingMessage>();
    // Browsers send a password that they keep with the forms of other sites, too.
    if (headers['sec-fetch-site'] === 'cross-site') throw new ForbiddenException();
    if (config.password === undefined || isFrom(config.password, headers)) return true;
    http
      .getResponse<ServerResponse>()
      .setHeader('WWW-Authenticate', 'Basic realm="Videos", charset="UTF-8"');
    throw new UnauthorizedException();
  }
}

function isFrom(password: string, { authorization = '' }: IncomingMessage['headers']): boolean {
  const [, credentials = ''] = /^basic +(\S+)$/i.exec(authorization) ?? [];
  const [, given = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? [];
  return timingSafeEqual(digest(given), digest(password));
}

/** Of one length, as the comparison needs it. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
