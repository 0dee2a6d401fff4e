/**
 * Tells when a device comes to be at a path, so that what is plugged in is opened at once and not after a back-off. The
 * nearest folder that exists is watched: /dev/serial/by-id itself goes with the last adapter. What counts is that the path,
 * links followed, leads to something else than before, or that its rights changed: udev makes a node first and lets the
 * group at it afterwards. Best effort: without inotify (no watches left, no right to read the folder) nothing is told.
 */
import { type FSWatcher, lstatSync, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Timer } from '../ports.ts';

/** Folders may come and go while one is chosen. */
const TRIES_MAX = 8;

/** Runs once, unless cancelled. Never throws. */
export function whenDeviceAppears(path: string, run: () => void): Timer {
  const watched = new PathWatch(path, run);
  watched.start();
  return watched;
}

class PathWatch implements Timer {
  readonly #path: string;
  readonly #run: () => void;
  #seen: string | undefined;
  #folder = '';
  #watcher: FSWatcher | undefined;
  #over = false;

  constructor(path: string, run: () => void) {
    this.#path = path;
    this.#run = run;
  }

  start(): void {
    this.#seen = identityOf(this.#path);
    this.#watchNearest();
  }

  cancel(): void {
    this.#over = true;
    this.#watcher?.close();
  }

  /** Looks once more after each new watch: what happened before it was in place gives no event. */
  #watchNearest(): void {
    for (let tries = 0; tries < TRIES_MAX && !this.#over; tries += 1) {
      this.#folder = nearestFolder(this.#path);
      this.#watchFolder();
      this.#look();
      if (nearestFolder(this.#path) === this.#folder) return;
    }
  }

  #watchFolder(): void {
    this.#watcher?.close();
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, (event, name) => this.#event(event, name));
      this.#watcher.on('error', () => undefined);
    } catch {
      this.#watcher = undefined;
    }
  }

  #event(event: string, name: string | null): void {
    // In /dev each write to /dev/null is a change.
    if (event === 'change' && name !== basename(this.#path)) return;
    this.#look();
    if (this.#over) return;
    // The folder's own name: it was removed, and may be there again as another one.
    if (name === basename(this.#folder) || nearestFolder(this.#path) !== this.#folder) this.#watchNearest();
  }

  #look(): void {
    const seen = identityOf(this.#path);
    const isNews = seen !== undefined && seen !== this.#seen;
    this.#seen = seen;
    if (!isNews || this.#over) return;
    this.cancel();
    this.#run();
  }
}

/** Changes with the device, the link to it, and the rights of both, not with what is read or written. */
function identityOf(path: string): string | undefined {
  try {
    const [link, device] = [lstatSync(path), statSync(path)];
    return [link.ino, link.ctimeMs, device.dev, device.ino, device.ctimeMs].join();
  } catch {
    return undefined;
  }
}

function nearestFolder(path: string): string {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (folder === dirname(folder) || isThere(folder)) return folder;
  }
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
