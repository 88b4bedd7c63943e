import { Session } from 'node:inspector/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import { number, tableText } from './table.js';

/** Records where the processor's time goes in this process, until it is told to write that. */
export async function startProfile(file) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    writeFileSync(file, JSON.stringify(profile));
  };
}

/**
 * In which places the cases of a row spent their time, as Markdown: the rooms of this library, packages, Node's modules, the
 * collector of garbage, and native code.
 *
 * @param {{ name: string, cpu: number, places: Record<string, number> }[]} cases `cpu` is that of all threads
 * @param least places that take less than this share in every case are left out
 */
export function profileText(cases, least = 0.02) {
  const totals = cases.map(({ places }) => sum(Object.values(places)));
  const shareOf = (place) =>
    Math.max(...cases.map(({ places }, index) => (places[place] ?? 0) / totals[index]));
  const all = [...new Set(cases.flatMap(({ places }) => Object.keys(places)))];
  const shown = all
    .filter((place) => shareOf(place) >= least)
    .toSorted((one, other) => shareOf(other) - shareOf(one));
  return tableText([
    ['main thread by the clock, ms', ...cases.map(({ name }) => name)],
    ['all', ...totals.map(number)],
    ['processor, all threads', ...cases.map(({ cpu }) => number(cpu))],
    ...shown.map((place) => [place, ...cases.map(({ places }) => number(places[place] ?? 0))]),
  ]);
}

/** @returns {Record<string, number>} milliseconds of the main thread by place, without those in which it had nothing to do */
export function placesOf(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
  const placeOf = new Map(nodes.map(({ id, callFrame }) => [id, placeOfFrame(callFrame)]));
  const places = {};
  samples.forEach((id, index) => {
    const place = placeOf.get(id);
    if (place === undefined) return;
    // The time until the next sample is this one's.
    const ms = (timeDeltas[index + 1] ?? 0) / 1000;
    places[place] = (places[place] ?? 0) + ms;
  });
  return places;
}

function placeOfFrame({ functionName, url }) {
  if (functionName === '(idle)' || functionName === '(root)') return undefined;
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (url === '') return 'native code';
  if (url.startsWith('node:'))
    return `Node: ${url.replace(/^node:(internal\/)?/, '').split('/')[0]}`;
  const [, installed] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (installed !== undefined) return installed;
  const [, room] = /\/dist\/([^/]+(?:\/[^/]+(?=\/))?)/.exec(url) ?? [];
  return room === undefined ? 'the bench itself' : `nestjs-storages: ${room}`;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
