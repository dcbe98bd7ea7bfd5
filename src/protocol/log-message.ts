/**
 * How a message of several lines stays one event on its way from the agent to the log, and there: each of its lines but the
 * first begins with a GS. What a function writes otherwise is an event for each line, and no line of that begins so.
 *
 * The mark is in the text because the text is what everybody passes on, collects and cuts; it is at a line's beginning so
 * that no message can go on into what others write after it, and so that logs without marks, of older versions, are read
 * as they always were. It is taken out where text is shown.
 */
export const GOES_ON = 0x1d;
const NEWLINE = 0x0a;
const GS = "\x1d";
const MARKS = new RegExp(`(^|\n)${GS}+`, "g");
const INNER_LINE_ENDS = /\n(?!$)/g;

/**
 * Lines without marks, as people read them: each is an event. Nearly always `text` itself; of GS that the function wrote
 * at the beginnings of lines nothing is left.
 */
export function plainLog(text: Buffer): Buffer {
  return text.includes(GOES_ON) ? replaced(text, MARKS, "$1") : text;
}

/** Text that is one event; one that has a single line is passed on as it is. */
export function logMessage(text: Buffer): Buffer {
  const lines = plainLog(text);
  const end = lines.indexOf(NEWLINE);
  return end === -1 || end === lines.length - 1 ? lines : replaced(lines, INNER_LINE_ENDS, `\n${GS}`);
}

/** Latin-1 has a character for each byte, so that nothing else changes. */
function replaced(text: Buffer, what: RegExp, by: string): Buffer {
  return Buffer.from(text.toString("latin1").replace(what, by), "latin1");
}
