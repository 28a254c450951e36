/** The forms in which a secret may turn up where it must not: as it is, in base64, in hex, URL-encoded. */
export function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8')
  const hex = bytes.toString('hex')
  const encoded = encodeURIComponent(secret)
  const forms = [
    secret,
    hex,
    hex.toUpperCase(),
    encoded,
    encoded.replaceAll('%20', '+'),
    JSON.stringify(secret).slice(1, -1),
  ]
  for (const offset of [0, 1, 2]) {
    for (const encoding of ['base64', 'base64url'] as const) forms.push(base64At(bytes, offset, encoding))
  }
  return [...new Set(forms)]
}

/** The characters that stand for the secret alone when it begins `offset` bytes after a group of three. */
function base64At(bytes: Buffer, offset: number, encoding: 'base64' | 'base64url'): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString(encoding)
    .replace(/=+$/, '')
  const first = [0, 2, 3][offset] ?? 0
  const whole = Math.floor((offset + bytes.length) / 3) * 4
  return text.slice(first, whole)
}

/** Which form of the secret `text` contains, if any. */
export function formIn(text: string, secret: string): string | undefined {
  return formsOf(secret).find((form) => text.includes(form))
}
