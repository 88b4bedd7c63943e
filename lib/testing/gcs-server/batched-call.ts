import { authorize } from './authentication.js';
import type { Authentication, BatchedAnswer, BatchedRequest, GcsCall, GcsService } from './call.js';
import { parseTarget } from './addressing.js';
import { asRefusal, errorResource, failedOnDemand, invalid } from './errors.js';
import { withFields } from './fields.js';
import type { GcsBatchedCall } from './recorded-request.js';
import { refuseUnknown, routeOf, ROUTES } from './routes.js';

/** Methods that may be part of a batch: no bytes go up or down in one. */
const BATCHABLE = /^(objects\.(?!insert|download)|buckets\.)/;

/** Runs one call of a batch, by whoever sent the batch. A refusal is its answer. */
export async function performBatched(
  request: BatchedRequest,
  service: GcsService,
  { authentication, now }: { authentication: Authentication; now: number },
): Promise<{ answer: BatchedAnswer; noted: GcsBatchedCall }> {
  const { method, url, headers, body } = request;
  const noted: { -readonly [Name in keyof GcsBatchedCall]: GcsBatchedCall[Name] } = {
    operation: undefined,
    method,
    url,
    key: '',
    status: 0,
  };
  const perform = async (): Promise<BatchedAnswer> => {
    const target = parseTarget(url);
    const { query } = target;
    const destination = routeOf(method, target, headers);
    if (!destination || !BATCHABLE.test(destination.operation)) {
      throw invalid(`${method} ${url} cannot be part of a batch.`);
    }
    const { operation, name } = destination;
    noted.operation = operation;
    noted.key = name;
    const route = ROUTES[operation];
    authorize(authentication, route.access, destination, service);
    const fault = service.batchFaults.strike(operation, name);
    if (fault) throw failedOnDemand(fault);
    refuseUnknown(operation, query, headers);
    const call: GcsCall = {
      ...destination,
      method,
      query,
      headers,
      authentication,
      now,
      partialChunk: undefined,
      // oxlint-disable-next-line require-await -- the contract is asynchronous
      body: async function* () {
        yield Buffer.from(body);
      },
      reset: () => invalid('A call of a batch has no connection of its own.'),
      perform: () => Promise.reject(invalid('A batch cannot be part of a batch.')),
    };
    const response = withFields(await route.run(call, service), query);
    return { status: response.status, headers: response.headers ?? {}, json: response.json };
  };
  const answer = await perform().catch((error: unknown): BatchedAnswer => {
    const refusal = asRefusal(error);
    const { status, extras } = refusal;
    return { status, headers: extras.headers ?? {}, json: errorResource(refusal) };
  });
  noted.status = answer.status;
  return { answer, noted };
}
