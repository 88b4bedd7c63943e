/** A fresh error: the SDK's own carries the request, its headers and its signature. */
export function causeOf({
  name,
  message,
  code,
  status,
  requestId,
}: {
  name: string;
  message: string;
  code?: string | undefined;
  status?: number | undefined;
  requestId?: string | undefined;
}): Error {
  const cause = Object.assign(new Error(message), {
    ...(code !== undefined && { code }),
    ...(status !== undefined && { httpStatus: status }),
    ...(requestId !== undefined && { requestId }),
  });
  Object.defineProperty(cause, 'name', { value: name, configurable: true, writable: true });
  return cause;
}
