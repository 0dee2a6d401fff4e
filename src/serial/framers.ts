/** Chooses the framer that a sensor's configuration names. */
import { bytesOfText } from '../bytes-text.ts';
import { openFrameOf } from './check.ts';
import type { CreateFramer } from './framer.ts';
import type { Check, Framing } from './framing.ts';
import { GapFramer } from './gap-framer.ts';
import { LineFramer } from './line-framer.ts';
import { type FrameShape, MarkedFramer } from './marked-framer.ts';
import { betweenShape, fixedShape, lengthShape } from './shapes.ts';
import { SlipFramer } from './slip-framer.ts';
import { openSmlFrame, smlShape } from './sml-frame.ts';

/** `sml` brings its own check; another one is not looked at. What begins with a start mark needs no `startsTorn`. */
export function framersOf(framing: Framing, check: Check | undefined): CreateFramer {
  const open = framing.type === 'sml' ? openSmlFrame() : openFrameOf(check);
  const marked =
    (shape: FrameShape): CreateFramer =>
    () =>
      new MarkedFramer(shape, open);
  switch (framing.type) {
    case 'line': {
      const delimiter = bytesOfText(framing.delimiter);
      return (startsTorn) => new LineFramer({ delimiter, max: framing.max, startsTorn, open });
    }
    case 'slip':
      return (startsTorn) => new SlipFramer({ escape: framing.escape, max: framing.max, startsTorn, open });
    case 'gap':
      return (startsTorn) => new GapFramer({ silenceMs: framing.silence, max: framing.max, startsTorn, open });
    case 'between':
      return marked(betweenShape(framing));
    case 'length':
      return marked(lengthShape(framing));
    case 'fixed':
      return marked(fixedShape(framing));
    case 'sml':
      return marked(smlShape(framing));
  }
}
