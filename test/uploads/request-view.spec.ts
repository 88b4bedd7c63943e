import { copyOfFields, requestWithBody } from '../../lib/uploads/request-view.js';

class SomeRequest {
  readonly #id = 5;
  body: unknown = { of: 'the request' };
  user: string | undefined;
  readonly log = Object.assign(() => 'logged', { level: 'info' });
  static readonly kind = 'static';

  get id(): number {
    return this.#id;
  }

  get(offset = 0): number {
    return this.#id + offset;
  }
}

describe('a request with a body of its own', () => {
  test('has this body, also where it is given another', () => {
    const request = new SomeRequest();
    const view = requestWithBody(request, { own: 1 });
    expect(Object.assign({}, view).body).toEqual({ own: 1 });
    view.body = { own: 2 };
    expect([view.body, request.body]).toEqual([{ own: 2 }, { of: 'the request' }]);
  });

  test('is the request otherwise: private fields, getters, methods and functions', () => {
    const request = new SomeRequest();
    const view = requestWithBody(request, {});
    expect([view.id, view.get(2), view.log(), view.log.level]).toEqual([5, 7, 'logged', 'info']);
    expect(view).toBeInstanceOf(SomeRequest);
    expect(view.constructor).toBe(SomeRequest);
    expect('user' in view).toBe(true);
  });

  test('gives the request what is set', () => {
    const request = new SomeRequest();
    requestWithBody(request, {}).user = 'me';
    expect(request.user).toBe('me');
  });

  test('has functions that cannot be redefined', () => {
    const request = Object.defineProperty(new SomeRequest(), 'fixed', { value: () => 'fixed' });
    const view = requestWithBody(request as SomeRequest & { fixed(): string }, {});
    expect(view.fixed()).toBe('fixed');
  });
});

test('a copy of fields has all of them, lists and fields in fields included, and nothing that comes later', () => {
  const fields = JSON.parse('{"a":"1","list":["x",["y"]],"meta":{"__proto__":{"b":"2"}}}') as {
    list: string[];
    meta: Record<string, unknown>;
  };
  const copy = copyOfFields(fields);
  const before = JSON.stringify(fields);
  fields.list.push('later');
  fields.meta['album'] = 'later';
  expect(JSON.stringify(copy)).toBe(before);
  expect(Object.getPrototypeOf(copy.meta)).toBe(null);
});
