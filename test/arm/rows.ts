/** What is run for ARM: each package as it would be installed, with a Debian that brings its Node.js or only libraries. */
import type { Architecture, NodeSource } from '../../.ci/deb/plan.ts';

export interface ArmRow {
  readonly name: string;
  readonly architecture: Exclude<Architecture, 'amd64'>;
  readonly node: NodeSource;
  readonly suite: 'bookworm' | 'trixie';
  readonly include: readonly string[];
  readonly emulator: string;
}

const LIBRARIES = ['libc6', 'libgcc-s1', 'libstdc++6'];

/** There is no row with Node.js inside for armhf: none that is new enough can be had prebuilt. */
export const ROWS: readonly ArmRow[] = [
  {
    name: 'arm64-distribution',
    architecture: 'arm64',
    node: 'distribution',
    suite: 'trixie',
    include: ['nodejs'],
    emulator: 'qemu-aarch64-static',
  },
  {
    name: 'arm64-bundled',
    architecture: 'arm64',
    node: 'bundled',
    suite: 'bookworm',
    include: LIBRARIES,
    emulator: 'qemu-aarch64-static',
  },
  {
    name: 'armhf-distribution',
    architecture: 'armhf',
    node: 'distribution',
    suite: 'trixie',
    include: ['nodejs'],
    emulator: 'qemu-arm-static',
  },
];
