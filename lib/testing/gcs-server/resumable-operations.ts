import { encodePath, encodeStrictly } from '../servers/url-encoding.js';
import { objectResource } from './attributes.js';
import type { GcsCall, GcsResponse, GcsService, Operation } from './call.js';
import { checkConditions, conditionsOf, headerConditions } from './conditions.js';
import { GcsError, invalid } from './errors.js';
import { describeUpload } from './insert-operations.js';
import { checkSize, describeXmlUpload, sizeLimitsOf } from './xml-uploads.js';
import { uploadHeaders } from './object-headers.js';
import { declaredChecksums, receiveJson, verifyChecksums } from './receive.js';
import { CHUNK_GRANULARITY, ResumableSession, type SessionRequest } from './resumable-sessions.js';

/** Opens a session, by either API. */
export const startUpload: Operation = (call, service) =>
  call.api === 'xml' ? startXmlUpload(call, service) : startJsonUpload(call, service);

/** `objects.insert` with `uploadType=resumable`. */
const startJsonUpload: Operation = async (call, service) => {
  const description = describeUpload(
    call,
    await receiveJson(call),
    call.headers.get('x-upload-content-type'),
  );
  const session = openSession(call, service, {
    ...description,
    conditions: conditionsOf(call.query),
    announcedSize: announcedSize(call.headers.get('x-upload-content-length')),
    sizeLimits: { min: 0, max: Number.POSITIVE_INFINITY },
    api: call.api,
  });
  const { uploadId } = session;
  return {
    status: 200,
    headers: {
      location: `${service.endpoint}/upload/storage/v1/b/${call.bucket}/o?uploadType=resumable&name=${encodeStrictly(description.name)}&upload_id=${uploadId}`,
      'x-guploader-uploadid': uploadId,
    },
  };
};

const startXmlUpload: Operation = (call, service) => {
  const session = openSession(call, service, {
    ...describeXmlUpload(call),
    conditions: headerConditions(call.headers),
    announcedSize: announcedSize(call.headers.get('x-upload-content-length')),
    sizeLimits: sizeLimitsOf(call.headers),
    api: call.api,
  });
  const path = encodePath(session.request.name);
  return {
    status: 201,
    headers: {
      location: `${service.endpoint}/${call.bucket}/${path}?upload_id=${session.uploadId}`,
      'x-guploader-uploadid': session.uploadId,
      'content-length': 0,
    },
  };
};

/** Opens a session, if the conditions hold now; they are decided when it is finished. */
function openSession(
  call: GcsCall,
  { store, storage }: GcsService,
  request: SessionRequest,
): ResumableSession {
  const bucket = store.bucket(call.bucket);
  checkConditions(bucket.objects.get(request.name), request.conditions);
  const session = new ResumableSession(request, call.now, storage);
  bucket.sessions.set(session.uploadId, session);
  return session;
}

export const uploadChunk: Operation = async (call, service) => {
  const session = await existingSession(call, service);
  return session.exclusively(async () => {
    const { finished } = session;
    if (finished) return finishedAnswer(session, finished, service);
    const range = contentRange(call.headers.get('content-range'));
    checkTotal(session, range.total);
    if (range.start > session.persisted) {
      throw new GcsError(
        503,
        'backendError',
        'ServiceUnavailable',
        `Invalid request.  According to the Content-Range header, the upload offset is ${range.start} byte(s), which exceeds already uploaded size of ${session.persisted} byte(s).`,
      );
    }
    if (!range.last && ((range.end ?? 0) - range.start) % CHUNK_GRANULARITY !== 0) {
      throw invalid(
        `Invalid request. A chunk that is not the last one must be a multiple of ${CHUNK_GRANULARITY} bytes.`,
      );
    }
    const { partialChunk } = call;
    const received = await session.append(call.body(), {
      skip: session.persisted - range.start,
      limit: partialChunk?.persistOnly ?? Number.POSITIVE_INFINITY,
    });
    if (range.end !== undefined && received !== range.end - range.start) {
      await endSession(session, call, service);
      throw invalid(
        `Invalid request. The Content-Range header announces ${range.end - range.start} byte(s) from ${range.start}, but ${received} came.`,
      );
    }
    if (partialChunk && session.persisted < range.start + received) {
      if (partialChunk.answer === 'reset') throw call.reset();
      return incomplete(session);
    }
    const missing = range.total !== undefined && session.persisted < range.total;
    if (!range.last || missing) return incomplete(session);
    return finishSession(session, call, service);
  });
};

/** Tells how far a session is; one that has all bytes of the total asked about is finished by it. */
export const querySession: Operation = async (call, service) => {
  const session = await existingSession(call, service);
  return session.exclusively(() => {
    const { finished } = session;
    if (finished) return Promise.resolve(finishedAnswer(session, finished, service));
    const total = /^bytes \*\/(\*|\d+)$/.exec(call.headers.get('content-range') ?? '')?.[1];
    if (total === undefined) throw invalidRange(call.headers.get('content-range') ?? '');
    const size = total === '*' ? undefined : Number(total);
    checkTotal(session, size);
    return size === session.persisted
      ? finishSession(session, call, service)
      : Promise.resolve(incomplete(session));
  });
};

/** Ends a session; Google tells that it is closed by a 499. */
export const cancelSession: Operation = async (call, service) => {
  const session = await existingSession(call, service);
  return session.exclusively(async () => {
    if (session.finished) return { status: 204 };
    await endSession(session, call, service);
    return { status: 499, headers: { 'content-length': 0 } };
  });
};

async function existingSession(call: GcsCall, service: GcsService): Promise<ResumableSession> {
  const bucket = service.store.bucket(call.bucket);
  const session = bucket.sessions.get(call.query.get('upload_id') ?? '');
  if (!session) {
    throw new GcsError(404, 'notFound', 'NoSuchUpload', 'The upload session does not exist.');
  }
  if (call.now >= session.started + service.sessionLifetime) {
    await endSession(session, call, service);
    throw new GcsError(410, 'uploadSessionExpired', 'Gone', 'The upload session has expired.');
  }
  return session;
}

async function endSession(
  session: ResumableSession,
  call: GcsCall,
  service: GcsService,
): Promise<void> {
  service.store.bucket(call.bucket).sessions.delete(session.uploadId);
  await session.discard();
}

async function finishSession(
  session: ResumableSession,
  call: GcsCall,
  service: GcsService,
): Promise<GcsResponse> {
  const { request } = session;
  const bucket = service.store.bucket(call.bucket);
  const content = await session.finish();
  try {
    const { announcedSize: announced, sizeLimits } = request;
    if (announced !== undefined && content.body.size !== announced) {
      throw invalid(
        `Invalid request. ${content.body.size} byte(s) came of the ${announced} announced when the session was opened.`,
      );
    }
    checkSize(content.body.size, sizeLimits);
    verifyChecksums(declaredChecksums(call.headers, request.declared), content);
    session.finished = bucket.commit(
      request.name,
      content,
      request.attributes,
      request.conditions,
      call.now,
    );
    return finishedAnswer(session, session.finished, service);
  } catch (error) {
    content.body.release();
    bucket.sessions.delete(session.uploadId);
    throw error;
  }
}

function finishedAnswer(
  { request }: ResumableSession,
  object: NonNullable<ResumableSession['finished']>,
  { endpoint }: GcsService,
): GcsResponse {
  return request.api === 'json'
    ? { status: 200, json: objectResource(object, endpoint) }
    : { status: 200, headers: uploadHeaders(object) };
}

function incomplete({ persisted, uploadId }: ResumableSession): GcsResponse {
  return {
    status: 308,
    headers: {
      'content-length': 0,
      'x-guploader-uploadid': uploadId,
      ...(persisted === 0 ? {} : { range: `bytes=0-${persisted - 1}` }),
    },
  };
}

interface ContentRange {
  readonly start: number;
  /** Exclusive; `undefined` when the chunk is whatever comes. */
  readonly end: number | undefined;
  readonly total: number | undefined;
  /** Whether the object ends with this chunk. */
  readonly last: boolean;
}

/** @throws GcsError invalid */
function contentRange(header: string | undefined): ContentRange {
  if (header === undefined) return { start: 0, end: undefined, total: undefined, last: true };
  const match = /^bytes (\d+)-(\d+|\*)\/(\d+|\*)$/.exec(header);
  if (!match) throw invalidRange(header);
  const [, first, lastByte, size] = match;
  const start = Number(first);
  const total = size === '*' ? undefined : Number(size);
  const end = lastByte === '*' ? undefined : Number(lastByte) + 1;
  if ((end !== undefined && end <= start) || (total !== undefined && (end ?? start) > total)) {
    throw invalidRange(header);
  }
  return { start, end, total, last: end === undefined || end === total };
}

function invalidRange(header: string): GcsError {
  return invalid(`Invalid request. Failed to parse Content-Range header: ${header}`);
}

function checkTotal({ request, persisted }: ResumableSession, total: number | undefined): void {
  const { announcedSize: announced } = request;
  if (total !== undefined && announced !== undefined && total !== announced) {
    throw invalid(
      `Invalid request. The total of ${total} bytes is not the ${announced} announced when the session was opened.`,
    );
  }
  if (total !== undefined && total < persisted) {
    throw invalid(
      `Invalid request. The total of ${total} bytes is less than the ${persisted} already there.`,
    );
  }
}

function announcedSize(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (!/^\d{1,15}$/.test(header)) throw invalid(`Invalid X-Upload-Content-Length: ${header}`);
  return Number(header);
}
