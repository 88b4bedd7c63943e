import { type ArgumentsHost, Controller, Get, UseFilters } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import {
  StorageAbortedError,
  StorageClosedError,
  StorageConfigurationError,
  StorageConnectionError,
  StorageError,
  type StorageErrorCode,
  StorageExceptionFilter,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
  StorageNotModifiedError,
  StoragePermissionError,
  StoragePreconditionFailedError,
  StorageQuotaExceededError,
  StorageRangeNotSatisfiableError,
  StorageRateLimitedError,
  StorageTimeoutError,
  StorageTooLargeError,
  StorageUnsupportedError,
  toHttpException,
} from '../../lib/index.js';
import { closeApps, startApp } from './app-fixture.js';
import { send } from './http-client.js';

afterEach(closeApps);

const context = {
  storage: 'vault',
  driver: 'local',
  operation: 'get',
  key: 'private/key.txt',
  cause: new Error('ENOENT: /srv/vault/private/key.txt'),
};
const reason = 'about /srv/vault/private/key.txt';

// A code that is added and not listed here does not compile.
const TABLE: Record<StorageErrorCode, [status: number, error: StorageError]> = {
  FILE_NOT_FOUND: [404, new StorageFileNotFoundError(reason, context)],
  FILE_EXISTS: [409, new StorageFileExistsError(reason, context)],
  PRECONDITION_FAILED: [412, new StoragePreconditionFailedError(reason, context)],
  NOT_MODIFIED: [304, new StorageNotModifiedError(reason, context)],
  RANGE_NOT_SATISFIABLE: [416, new StorageRangeNotSatisfiableError(reason, context)],
  PERMISSION_DENIED: [403, new StoragePermissionError(reason, context)],
  INVALID_KEY: [400, new StorageInvalidKeyError(reason, context)],
  INVALID_ARGUMENT: [400, new StorageInvalidArgumentError(reason, context)],
  UNSUPPORTED: [501, new StorageUnsupportedError(reason, context)],
  CONNECTION_FAILED: [502, new StorageConnectionError(reason, context)],
  TIMEOUT: [504, new StorageTimeoutError(reason, context)],
  RATE_LIMITED: [429, new StorageRateLimitedError(reason, context)],
  ABORTED: [499, new StorageAbortedError(reason, context)],
  TOO_LARGE: [413, new StorageTooLargeError(reason, context)],
  QUOTA_EXCEEDED: [507, new StorageQuotaExceededError(reason, context)],
  INTEGRITY: [422, new StorageIntegrityError(reason, context)],
  CONFIGURATION: [500, new StorageConfigurationError(reason, context)],
  CLOSED: [503, new StorageClosedError(reason, context)],
  UNKNOWN: [500, new StorageError(reason, context)],
};
const rows = Object.entries(TABLE).map(([code, [status, error]]) => ({ code, status, error }));

test.each(rows)('$code becomes HTTP $status', ({ code, status, error }) => {
  const exception = toHttpException(error);
  expect(exception.getStatus()).toBe(status);
  expect(exception.getResponse()).toMatchObject({ statusCode: status, code });
});

test.each(rows)('the answer to $code names no key, no path and no storage', ({ error }) => {
  const answer = JSON.stringify(toHttpException(error).getResponse());
  expect(answer).not.toMatch(/private|key\.txt|srv|vault/);
});

test('the storage error stays the cause of the HTTP exception', () => {
  const error = new StorageConnectionError(reason, context);
  expect(toHttpException(error).cause).toBe(error);
});

describe('StorageExceptionFilter', () => {
  @Controller()
  class FailingController {
    @Get('missing')
    missing(): never {
      throw new StorageFileNotFoundError(reason, context);
    }
    @Get('later')
    async later(): Promise<never> {
      throw new StorageConnectionError(reason, context);
    }
    @Get('unchanged')
    unchanged(): never {
      throw new StorageNotModifiedError(reason, context);
    }
    @Get('read-only')
    readOnly(): never {
      throw new StoragePermissionError('This view of the storage is read-only');
    }
    @Get('wrong-credentials')
    wrongCredentials(): never {
      throw new StoragePermissionError('check the secret', { cause: new Error('denied') });
    }
    @Get('wrong-argument')
    wrongArgument(): never {
      throw new StorageInvalidArgumentError('concurrency must be a whole number');
    }
    @Get('other')
    other(): never {
      throw new RangeError('none of its business');
    }
  }

  @Controller()
  @UseFilters(StorageExceptionFilter)
  class FilteredController extends FailingController {}

  test.each([
    ['APP_FILTER', FailingController, [{ provide: APP_FILTER, useClass: StorageExceptionFilter }]],
    ['@UseFilters', FilteredController, []],
  ])('answers by %s', async (_how, controller, providers) => {
    const { port } = await startApp({ controllers: [controller], providers });
    const answer = await send(port, '/missing');
    expect(answer.status).toBe(404);
    expect(answer.json).toEqual({
      statusCode: 404,
      message: 'File not found',
      code: 'FILE_NOT_FOUND',
    });
    expect((await send(port, '/later')).json).toMatchObject({ code: 'CONNECTION_FAILED' });
  });

  test('sends no body with a 304', async () => {
    const { port } = await startApp({ controllers: [FilteredController] });
    expect(await send(port, '/unchanged')).toMatchObject({ status: 304, text: '' });
  });

  test('leaves other errors to Nest', async () => {
    const { port, log } = await startApp({ controllers: [FilteredController] });
    expect((await send(port, '/other')).status).toBe(500);
    expect(log.text).toContain('none of its business');
  });

  test('logs what is no fault of the client, with its cause, and nothing else', async () => {
    const { port, log } = await startApp({ controllers: [FilteredController] });
    await send(port, '/missing');
    expect(log.entries).toEqual([]);
    await send(port, '/later');
    expect(log.text).toContain('StorageConnectionError: about /srv/vault');
  });

  test('logs what the backend refuses to the app itself, though the client is only told 403', async () => {
    const { port, log } = await startApp({ controllers: [FilteredController] });
    expect((await send(port, '/read-only')).status).toBe(403);
    expect(log.entries).toEqual([]);
    expect((await send(port, '/wrong-credentials')).status).toBe(403);
    expect(log.text).toContain('check the secret');
  });

  test('warns of an argument that is not well-formed, and tells the client nothing of it', async () => {
    const { port, log } = await startApp({ controllers: [FilteredController] });
    const { status, text } = await send(port, '/wrong-argument');
    expect([status, text]).toEqual([400, expect.not.stringContaining('concurrency')]);
    expect(log.entries).toEqual([{ level: 'warn', text: expect.stringContaining('concurrency') }]);
  });

  test('lets the error itself pass outside HTTP', () => {
    const error = new StorageFileNotFoundError();
    const host = { getType: () => 'rpc' } as ArgumentsHost;
    expect(() => new StorageExceptionFilter().catch(error, host)).toThrow(error);
  });
});
