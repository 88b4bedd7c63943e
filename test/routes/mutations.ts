/** A request that is not the signed one any more, and what was done to it. */
export interface Mutation {
  readonly what: string;
  readonly target: string;
}

type Parameter = readonly [name: string, value: string];

/** Every way to change a query, one at a time; each is another text than the query itself. */
export function queryMutations(target: string): Mutation[] {
  const [path, query] = target.split('?') as [string, string];
  const parameters = query.split('&').map((each) => each.split('=') as unknown as Parameter);
  const mutations: Mutation[] = [];
  const add = (what: string, changed: readonly Parameter[] | string): void => {
    const text =
      typeof changed === 'string' ? changed : changed.map((each) => each.join('=')).join('&');
    if (text !== query) mutations.push({ what, target: `${path}?${text}` });
  };
  for (const [index, [name, value]] of parameters.entries()) {
    const replaced = (...by: Parameter[]): Parameter[] => parameters.toSpliced(index, 1, ...by);
    for (const other of differentValues(value)) add(`${name} is ${other}`, replaced([name, other]));
    add(`${name} is missing`, replaced());
    add(`${name} comes twice`, replaced([name, value], [name, value]));
    add(`${name} comes twice, first another`, replaced([name, 'x'], [name, value]));
    add(`${name} comes twice, then another`, replaced([name, value], [name, 'x']));
    add(`${name} is an array`, replaced([`${name}[]`, value]));
    for (const other of differentNames(name))
      add(`${name} is named ${other}`, replaced([other, value]));
    const next = parameters[index + 1];
    if (next) {
      add(`${name} comes later`, parameters.toSpliced(index, 2, next, [name, value]));
      add(
        `${name} swallows the next`,
        replaced([name, `${value}%26${next.join('%3D')}`]).toSpliced(index + 1, 1),
      );
    }
  }
  add('in the reverse order', parameters.toReversed());
  add('one more in front', [['extra', '1'], ...parameters]);
  add('one more behind', [...parameters, ['extra', '1']]);
  add('one more, of the signed kind', [...parameters, ['max-size', '99999999']]);
  add('an empty one behind', `${query}&`);
  add('an empty one in front', `&${query}`);
  add('another separator', query.replace('&', ';'));
  add('a second question mark', `?${query}`);
  add('nothing', '');
  return mutations;
}

/** Every character of the signature, as another one. */
export function signatureMutations(target: string): Mutation[] {
  const start = target.indexOf('signature=') + 'signature='.length;
  return Array.from({ length: target.length - start }, (_, index) => {
    const at = start + index;
    const other = target[at] === 'A' ? 'B' : 'A';
    return {
      what: `character ${index} of the signature is ${other}`,
      target: target.slice(0, at) + other + target.slice(at + 1),
    };
  });
}

/** Ways to ask for something else than `<mount>/<storage>/<key>`; all of them still lead to the routes. */
export function pathMutations(target: string, mount: string): Mutation[] {
  const [path, query] = target.split('?') as [string, string];
  const [storage, ...segments] = path.slice(mount.length + 1).split('/') as [string, ...string[]];
  const key = segments.join('/');
  const paths: Record<string, string> = {
    'another key': `${storage}/${key}x`,
    'a shorter key': `${storage}/${key.slice(0, -1)}`,
    'a key in other letters': `${storage}/${key.toUpperCase()}`,
    'a letter encoded': `${storage}/%${key.charCodeAt(0).toString(16)}${key.slice(1)}`,
    'escapes in other letters': `${storage}/${key.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())}`,
    'escapes escaped': `${storage}/${key.replaceAll('%', '%25')}`,
    'a slash behind': `${storage}/${key}/`,
    'two slashes': `${storage}//${key}`,
    'an encoded slash': `${storage}%2F${key}`,
    'an encoded slash in the key': `${storage}/${key.replaceAll('/', '%2F')}`,
    'an encoded backslash': `${storage}/${key.replaceAll('/', '%5C')}`,
    'an encoded NUL': `${storage}/${key}%00`,
    'a dot segment': `${storage}/./${key}`,
    'a dot segment, encoded': `${storage}/%2e/${key}`,
    'up and down': `${storage}/x/../${key}`,
    'up and down, encoded': `${storage}/x/%2e%2e/${key}`,
    'another storage': `other/${key}`,
    'a storage that is none': `nowhere/${key}`,
    'a storage in other letters': `${storage.toUpperCase()}/${key}`,
    'a storage with a letter encoded': `%${storage.charCodeAt(0).toString(16)}${storage.slice(1)}/${key}`,
    'a storage of the prototype': `constructor/${key}`,
    'no key': storage,
  };
  return Object.entries(paths)
    .filter(([, changed]) => changed !== `${storage}/${key}`)
    .map(([what, changed]) => ({ what, target: `${mount}/${changed}?${query}` }));
}

function differentValues(value: string): string[] {
  const changed = (at: number): string =>
    value.slice(0, at) + (value[at] === '1' ? '2' : '1') + value.slice(at + 1);
  return [
    '',
    changed(0),
    changed(value.length - 1),
    `${value}1`,
    `0${value}`,
    `${value}%20`,
    `%20${value}`,
    `${value}=`,
    value.slice(0, -1),
    value.toUpperCase(),
    value.toLowerCase(),
    `%${value.charCodeAt(0).toString(16)}${value.slice(1)}`,
    value.replaceAll('+', '%20'),
  ].filter((other, index, all) => other !== value && all.indexOf(other) === index);
}

function differentNames(name: string): string[] {
  return [
    name.toUpperCase(),
    `${name[0]!.toUpperCase()}${name.slice(1)}`,
    `${name}x`,
    `%20${name}`,
    `${name}%00`,
  ];
}
