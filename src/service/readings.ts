// Texts here are bytes: one character for each, 0 to 255. So a key that is no text, and UTF-16 inside base64, are found as
// a password is.

/** How often a text is decoded in turn: base64 inside percent-encoding inside JSON. */
const DEPTH = 3
/** Most characters of all readings of a text, for each of its own; then it is taken to contain everything. */
const MOST_GROWTH = 64
/** The fewest characters of a run that are worth decoding: 8 bytes in base64. */
const LEAST_BASE64 = 11
const LEAST_HEX = 16

export const bytesOfText = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/**
 * What a text can be read as: itself, and what stands behind percent-encoding, JSON and HTML escapes, quoted-printable,
 * hex and base64, wherever it begins, up to three of them in turn.
 *
 * @returns undefined when that is more than can be looked at
 */
export function readingsOf(text: string): ReadonlySet<string> | undefined {
  const all = new Set([text])
  let newest: readonly string[] = [text]
  let room = MOST_GROWTH * text.length + 4096
  for (let depth = 0; depth < DEPTH && newest.length > 0; depth++) {
    const next: string[] = []
    for (const reading of newest) {
      for (const decoded of decodings(reading)) {
        if (decoded.length < 4 || all.has(decoded)) continue
        room -= decoded.length
        if (room < 0) return undefined
        all.add(decoded)
        next.push(decoded)
      }
    }
    newest = next
  }
  return all
}

function* decodings(text: string): Iterable<string> {
  if (text.includes('%')) {
    yield percentDecoded(text)
    // A form decoder reads a plus as a space, others as a plus.
    if (text.includes('+')) yield percentDecoded(text.replaceAll('+', ' '))
  } else if (text.includes('+')) {
    yield text.replaceAll('+', ' ')
  }
  if (text.includes('\\')) yield unescaped(text)
  if (text.includes('&')) yield withoutEntities(text)
  if (/=(?:[0-9A-Fa-f]{2}|\r?\n)/.test(text)) {
    yield text.replace(/=\r?\n/g, '').replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => byte(hex))
  }
  yield* fromHex(text)
  yield* fromBase64(text)
}

export function percentDecoded(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => byte(hex))
}

const byte = (hex: string): string => String.fromCharCode(Number.parseInt(hex, 16))
const point = (code: number): string => (code <= 0x10ffff ? bytesOfText(String.fromCodePoint(code)) : '')

const CONTROLS: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  0: '\0',
}

/** As JSON, JavaScript and shells escape. */
function unescaped(text: string): string {
  return text
    .replace(/(?:\\u[0-9a-f]{4})+/gi, (run) => {
      const units = run.match(/[0-9a-f]{4}/gi) ?? []
      return bytesOfText(String.fromCharCode(...units.map((unit) => Number.parseInt(unit, 16))))
    })
    .replace(/\\u\{([0-9a-f]{1,6})\}/gi, (_, hex: string) => point(Number.parseInt(hex, 16)))
    .replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) => byte(hex))
    .replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    .replace(/\\(.)/gs, (_, mark: string) => CONTROLS[mark] ?? mark)
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
}

function withoutEntities(text: string): string {
  return text
    .replace(/&#(\d{1,7});?/g, (_, decimal: string) => point(Number(decimal)))
    .replace(/&#x([0-9a-f]{1,6});?/gi, (_, hex: string) => point(Number.parseInt(hex, 16)))
    .replace(/&([a-z]{2,4});/g, (whole, name: string) => ENTITIES[name] ?? whole)
}

/** Pairs of digits, with or without something between them: `a1:b2`, `a1 b2`, `0xa1, 0xb2`, `\xa1\xb2`. */
function* fromHex(text: string): Iterable<string> {
  const runs = text.match(/(?:(?:0x|\\x)?[0-9a-f]{2}[\s:,._-]{0,2})+/gi) ?? []
  const digits = runs
    .map((run) => run.replace(/0x|\\x|[^0-9a-f]/gi, ''))
    .filter((run) => run.length >= LEAST_HEX)
  // Something in front may be a hex digit, too.
  for (const skip of [0, 1]) {
    const decoded = digits.map((run) => Buffer.from(run.slice(skip), 'hex').toString('latin1'))
    if (decoded.length > 0) yield decoded.join('\n')
  }
}

/** Base64 and base64url, wrapped or not. What stands in front of it shifts it: all four places are tried. */
function* fromBase64(text: string): Iterable<string> {
  const runs = (text.replace(/\s+/g, '').match(/[A-Za-z0-9+/_-]+/g) ?? []).filter(
    ({ length }) => length >= LEAST_BASE64,
  )
  if (runs.length === 0) return
  for (const skip of [0, 1, 2, 3]) {
    yield runs.map((run) => Buffer.from(run.slice(skip), 'base64').toString('latin1')).join('\n')
  }
}
