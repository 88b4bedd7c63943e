/**
 * The request as it was when a file began: with a body of its own, while the form goes on. All else is the request's,
 * and what is set is set there, so that getters, methods and private fields work.
 */
export function requestWithBody<Request extends object>(request: Request, body: unknown): Request {
  let own = body;
  return new Proxy(request, {
    get(target, name) {
      if (name === 'body') return own;
      const value: unknown = Reflect.get(target, name);
      // One of the class may want its private fields. An own one does not, and may have to stay the same.
      if (typeof value !== 'function' || name === 'constructor') return value;
      return Object.hasOwn(target, name) ? value : onRequest(value as Method, target);
    },
    set(target, name, value) {
      if (name !== 'body') return Reflect.set(target, name, value);
      own = value;
      return true;
    },
  });
}

type Method = (...args: unknown[]) => unknown;

/** Not bound: it keeps the properties that it has. */
function onRequest(method: Method, request: object): Method {
  return new Proxy(method, {
    apply: (target, _view, args) => Reflect.apply(target, request, args) as unknown,
  });
}

/** Text fields as they are now: the parser goes on writing into those with brackets in their names. */
export function copyOfFields<Fields>(fields: Fields): Fields {
  if (typeof fields !== 'object' || fields === null) return fields;
  const copy = (Array.isArray(fields) ? [] : Object.create(null)) as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) copy[name] = copyOfFields<unknown>(value);
  return copy as Fields;
}
