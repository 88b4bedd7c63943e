import { RequestMethod } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { isAtOrBelow, keyOfPath, mountedPath } from '../../lib/routes/route-path.js';

describe('where routes are', () => {
  function mounted(requestMethod: RequestMethod, excluded: RegExp): string {
    const config = new ApplicationConfig();
    config.setGlobalPrefix('/api/v1/');
    config.setGlobalPrefixOptions({
      exclude: [{ path: 'any', pathRegex: excluded, requestMethod }],
    });
    return mountedPath('/storage', config);
  }

  test.each([
    ['all methods', RequestMethod.ALL],
    ['GET', RequestMethod.GET],
  ])('is without the prefix of the app when it excludes %s below their path', (_, method) => {
    expect(mounted(method, /^\/storage\/[^/]+$/)).toBe('/storage');
  });

  test('is with it when the app excludes other methods, or another path', () => {
    expect(mounted(RequestMethod.POST, /^\/storage\/[^/]+$/)).toBe('/api/v1/storage');
    expect(mounted(RequestMethod.ALL, /^\/storage$/)).toBe('/api/v1/storage');
  });
});

test('a URL is at a path or below it with any query, and never by its beginning alone', () => {
  const urls = [
    '/files',
    '/files?a=/',
    '/files/',
    '/files/a',
    '/files/a?b',
    '/filesystem',
    '/file',
  ];
  expect(urls.filter((url) => isAtOrBelow('/files', url))).toEqual(urls.slice(0, 5));
  expect(isAtOrBelow('/files', undefined)).toBe(false);
});

test('a path that nobody can decode, or that decodes to no key, is the path of no key', () => {
  const paths = ['%', 'a%2', '%zz', '%C3', '%ED%A0%80', '..', 'a//b', '%5C', ''];
  expect(paths.map(keyOfPath)).toEqual(paths.map(() => undefined));
  expect(keyOfPath('gr%C3%B6%C3%9Fe%20.txt')).toBe('größe .txt');
});
