import { NotFoundException } from '@nestjs/common';
import { toUploadException } from '../../lib/uploads/multer-errors.js';
import { UploadException } from '../../lib/uploads/upload.exceptions.js';

const MAX_SIZE = 1000;

function told(error: unknown) {
  const exception = toUploadException(error, MAX_SIZE);
  if (!(exception instanceof UploadException)) return exception;
  const { code, field } = exception.getResponse() as { code: string; field?: string };
  return { status: exception.getStatus(), code, field, message: exception.message };
}

const coded = (code: string, field?: string, message = 'Refused'): Error =>
  Object.assign(new Error(message), { code, ...(field !== undefined && { field }) });

test.each([
  'Multipart: Boundary not found',
  'Malformed part header',
  'Malformed content type',
  'Unexpected end of form',
  'Missing Content-Type',
  'Request aborted',
  'Request closed',
])('a form that ends with "%s" is malformed', (message) => {
  const expected = { status: 400, code: 'MALFORMED_FORM', message };
  expect(told(new Error(message))).toMatchObject(expected);
});

test.each(['Not Malformed form', 'The Request aborted', 'disk is full'])(
  'what says "%s" is no fault of the client',
  (message) => {
    const error = new Error(message);
    expect(told(error)).toBe(error);
  },
);

test('a form of another type is unsupported', () => {
  const message = 'Unsupported content type: text/plain';
  const expected = { status: 415, code: 'UNSUPPORTED_CONTENT_TYPE', message };
  expect(told(new Error(message))).toMatchObject(expected);
});

test.each([
  ['LIMIT_PART_COUNT', 400],
  ['LIMIT_FILE_SIZE', 413],
  ['LIMIT_FIELD_VALUE', 413],
  ['MISSING_FIELD_NAME', 400],
])("multer's %s is a %i", (code, status) => {
  expect(told(coded(code))).toEqual({ status, code, field: undefined, message: 'Refused' });
});

test('a field that breaks a limit is named', () => {
  const named = { status: 413, field: 'photo', message: 'Refused: photo' };
  expect(told(coded('LIMIT_FIELD_VALUE', 'photo'))).toMatchObject(named);
});

test('a file that is too large is told by its field and the limit', () => {
  const { status, field, message } = told(coded('LIMIT_FILE_SIZE', 'photo')) as {
    status: number;
    field: string;
    message: string;
  };
  expect([status, field]).toEqual([413, 'photo']);
  expect(message).toContain('1000');
});

test('what is an answer already, no error, or of an unknown code stays as it is', () => {
  for (const thrown of [new NotFoundException(), 'text', undefined, coded('EODD')]) {
    expect(told(thrown)).toBe(thrown);
  }
});
