import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import * as fc from 'fast-check'
import {
  generateNoteKey,
  type NoteKey,
  NoteSigner,
  type OpenedNote,
  openNote,
  signNote,
  VerifierKey,
} from 'otel-audit/chain'
import { describe, expect, test } from 'vitest'

// The example of the C2SP signed-note page.
const EXAMPLE_KEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const EXAMPLE_NOTE = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`
// The example of golang.org/x/mod/sumdb/note, which the format comes from: key, text, signatures.
const PETER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const PETER_SEED = 'AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz'
const ENOCH = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop'
const TEXT = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.
`
const PETER_LINE =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
const ENOCH_LINE =
  '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n'

const MALFORMED = expect.objectContaining({ code: 'AUDIT_NOTE_MALFORMED' })
const REFUTED = expect.objectContaining({ code: 'AUDIT_NOTE_REFUTED' })

/** A signer from the 32 bytes that RFC 8032 calls the private key. */
function signerOf(name: string, seed: Uint8Array): NoteSigner {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  return new NoteSigner(name, createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
}

describe('known answers', () => {
  test('the example of the C2SP page opens', () => {
    expect(openNote(EXAMPLE_NOTE, [EXAMPLE_KEY])).toEqual({
      text: 'This is an example message.\n',
      verified: ['example.com/foo'],
      unverified: [],
    })
    expect(openNote(Buffer.from(EXAMPLE_NOTE), [EXAMPLE_KEY]).verified).toEqual(['example.com/foo'])
  })

  test('the example of the Go package opens, with one key or both', () => {
    const note = `${TEXT}\n${PETER_LINE}${ENOCH_LINE}`
    expect(openNote(note, [PETER])).toEqual({
      text: TEXT,
      verified: ['PeterNeumann'],
      unverified: ['EnochRoot'],
    })
    expect(openNote(note, [ENOCH, PETER])).toEqual({
      text: TEXT,
      verified: ['PeterNeumann', 'EnochRoot'],
      unverified: [],
    })
  })

  test('signing writes the same bytes as the Go package', () => {
    const signer = signerOf('PeterNeumann', Buffer.from(PETER_SEED, 'base64').subarray(1))
    expect(signer.verifierKey).toBe(PETER)
    expect(signNote(TEXT, signer)).toBe(`${TEXT}\n${PETER_LINE}`)
  })

  test('a verifier key is read, and written the same', () => {
    for (const key of [EXAMPLE_KEY, PETER, ENOCH]) expect(VerifierKey.parse(key).toString()).toBe(key)
    expect(VerifierKey.parse(EXAMPLE_KEY)).toMatchObject({ name: 'example.com/foo', id: '530d903a' })
  })
})

describe('a note', () => {
  const { signer, verifierKey }: NoteKey = generateNoteKey('wallet.example/log')
  const other = generateNoteKey('witness.example')

  test('opens with the keys that signed it, whatever the text', () => {
    const line = fc
      .string({ unit: 'grapheme' })
      .filter((text) => !/\p{Cc}/u.test(text) && text.isWellFormed())
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const text = `${lines.join('\n')}\n`
        const note = signNote(text, signer, other.signer)
        expect(openNote(note, [other.verifierKey, verifierKey])).toEqual({
          text,
          verified: [signer.name, other.signer.name],
          unverified: [],
        })
      }),
    )
  })

  test('may have blank lines, and what looks like a signature, in its text', () => {
    const text = `a\n\n— ${signer.name} AAAAAAAA\n\n`
    expect(openNote(signNote(text, signer), [verifierKey]).text).toBe(text)
  })

  test('with one byte changed, anywhere, does not open as another text', () => {
    const text = 'rows 1\n'
    const note = Buffer.from(signNote(text, signer))
    for (let i = 0; i < note.length; i++) {
      for (const flip of [1, 0x20, 0x80]) {
        const bad = Buffer.from(note)
        bad[i] = (bad[i] ?? 0) ^ flip
        expect(() => openNote(bad, [verifierKey])).toThrow(expect.objectContaining({ name: 'AuditError' }))
      }
    }
  })

  test('of unknown keys only is refused; those that share a name, or an id, with a known one are unknown', () => {
    const namesake = generateNoteKey(signer.name)
    const note = signNote('t\n', signer)
    expect(() => openNote(note, [])).toThrow(REFUTED)
    expect(() => openNote(note, [namesake.verifierKey])).toThrow(REFUTED)
    const both = signNote('t\n', signer, namesake.signer)
    expect(openNote(both, [verifierKey])).toMatchObject({
      verified: [signer.name],
      unverified: [signer.name],
    })
    const renamed = note.replace(signer.name, 'wallet.example/other')
    expect(() => openNote(renamed, [verifierKey])).toThrow(REFUTED)
  })

  test('with a bad signature of a known key is refused, whoever else has signed it', () => {
    const good = signNote('t\n', signer)
    const [, bad = ''] = signNote('u\n', other.signer).split('\n\n')
    expect(openNote(good + bad, [verifierKey]).unverified).toEqual([other.signer.name])
    expect(() => openNote(good + bad, [verifierKey, other.verifierKey])).toThrow(REFUTED)
    const short = signNote('t\n', signer).replace(
      /[^ ]+\n$/,
      `${Buffer.from(`${signer.key.id}00`, 'hex').toString('base64')}\n`,
    )
    expect(() => openNote(short, [verifierKey])).toThrow(REFUTED)
  })

  test('names a key once, however often it has signed', () => {
    const note = signNote('t\n', signer, signer)
    const once: Partial<OpenedNote> = { verified: [signer.name], unverified: [] }
    expect(openNote(note, [verifierKey, verifierKey])).toMatchObject(once)
    const [, otherText = ''] = signNote('u\n', signer).split('\n\n')
    expect(() => openNote(note + otherText, [verifierKey])).toThrow(REFUTED)
  })

  test('has at most 100 signatures, and 1 MB', () => {
    const hundred = Array.from({ length: 100 }, () => signer)
    expect(openNote(signNote('t\n', ...hundred), [verifierKey]).verified).toEqual([signer.name])
    expect(() => signNote('t\n', ...hundred, signer)).toThrow(MALFORMED)
    expect(() => openNote(`${signNote('t\n', ...hundred)}${PETER_LINE}`, [verifierKey])).toThrow(MALFORMED)
    expect(() => signNote(`${'x'.repeat(1_000_000)}\n`, signer)).toThrow(MALFORMED)
    expect(() => openNote(`${'x'.repeat(1_000_000)}\n\n${PETER_LINE}`, [PETER])).toThrow(MALFORMED)
    expect(() => openNote(Buffer.alloc(1_000_001, 'x'), [PETER])).toThrow(MALFORMED)
  })

  test.each([
    ['no text', ''],
    ['no newline at its end', 'a'],
    ['a tab', 'a\tb\n'],
    ['a carriage return', 'a\r\n'],
    ['a NUL', 'a\0\n'],
    ['a lone surrogate', 'a\ud800\n'],
  ])('is not made of a text that has %s', (_, text) => {
    expect(() => signNote(text, signer)).toThrow(MALFORMED)
  })

  test('is not made without a signature', () => {
    expect(() => signNote('t\n')).toThrow(MALFORMED)
  })

  const [, line = ''] = signNote('t\n', signer).split('\n\n')
  test.each([
    ['nothing', ''],
    ['no blank line', `t\n${line}`],
    ['no signature', 't\n\n'],
    ['no newline at its end', `t\n\n${line.slice(0, -1)}`],
    ['a hyphen for the dash', `t\n\n${line.replace('—', '-')}`],
    ['two spaces', `t\n\n${line.replace(' ', '  ')}`],
    ['a space at its end', `t\n\n${line.replace('\n', ' \n')}`],
    ['no name', `t\n\n— ${line.split(' ')[2]}`],
    ['a plus in the name', `t\n\n${line.replace('log', 'l+g')}`],
    ['a no-break space in the name', `t\n\n${line.replace('log', 'l\u00a0g')}`],
    ['a next line in the name', `t\n\n${line.replace('log', 'l\u0085g')}`],
    ['no padding', `t\n\n${line.replaceAll('=', '')}`],
    ['base64 of another kind', `t\n\n${line.replace(/[^ ]+\n$/, '_-_-_-_-\n')}`],
    ['a space inside the base64', `t\n\n${line.replace(/=\n$/, ' =\n')}`],
    ['an id and nothing else', `t\n\n— x AAAAAA==\n`],
    ['another line after it', `t\n\n${line}x\n`],
    ['a carriage return', `t\r\n\n${line}`],
    ['a tab', `a\tb\n\n${line}`],
    ['a lone surrogate', `\ud800\n\n${line}`],
  ])('that has %s is none', (_, note) => {
    expect(() => openNote(note, [verifierKey])).toThrow(MALFORMED)
  })

  test('that is not UTF-8 is none', () => {
    expect(() =>
      openNote(Buffer.concat([Buffer.from([0xff]), Buffer.from(EXAMPLE_NOTE)]), [EXAMPLE_KEY]),
    ).toThrow(MALFORMED)
  })

  test('a byte order mark belongs to the text', () => {
    const note = signNote('\ufefft\n', signer)
    expect(openNote(Buffer.from(note), [verifierKey]).text).toBe('\ufefft\n')
  })
})

describe('a key', () => {
  test.each(['', 'a b', 'a+b', 'a\nb', 'a\u2028b', 'a\u3000b', 'a\0b', 'a\ud800'])(
    'cannot be called %j',
    (name) => {
      expect(() => generateNoteKey(name)).toThrow(MALFORMED)
    },
  )

  test.each(['x', 'example.com/a', 'schlüssel', '🔑', 'otel-audit/db%20x/0f'])('can be called %s', (name) => {
    const { signer, verifierKey } = generateNoteKey(name)
    expect(openNote(signNote('t\n', signer), [verifierKey]).verified).toEqual([name])
  })

  const [name, id, bytes = ''] = EXAMPLE_KEY.split('+')
  test.each([
    ['nothing', ''],
    ['no id', `${name}+${bytes}`],
    ['another id', `${name}+530d903b+${bytes}`],
    ['an id in capitals', `${name}+530D903A+${bytes}`],
    ['another name', `x${name}+${id}+${bytes}`],
    ['another type', `${name}+${id}+${Buffer.concat([Buffer.of(4), Buffer.alloc(32)]).toString('base64')}`],
    ['31 bytes', `${name}+${id}+${Buffer.concat([Buffer.of(1), Buffer.alloc(31)]).toString('base64')}`],
    ['33 bytes', `${name}+${id}+${Buffer.concat([Buffer.of(1), Buffer.alloc(33)]).toString('base64')}`],
    ['a newline at its end', `${EXAMPLE_KEY}\n`],
    ['base64 of another kind', EXAMPLE_KEY.replace('AekyeRrm56', '-_ekyeRrm5')],
  ])('to verify with that has %s is none', (_, text) => {
    expect(() => VerifierKey.parse(text)).toThrow(MALFORMED)
    expect(() => openNote(EXAMPLE_NOTE, [text])).toThrow(MALFORMED)
  })

  test('two keys of one name and id are not told apart, so they are refused', () => {
    const key = VerifierKey.parse(EXAMPLE_KEY)
    const twin = Object.assign(new VerifierKey(key.name, randomBytes(32)), { id: key.id })
    expect(() => openNote(EXAMPLE_NOTE, [key, twin])).toThrow(MALFORMED)
  })

  test('comes from PEM', () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const signer = new NoteSigner('operator', privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
    expect(openNote(signNote('t\n', signer), [signer.verifierKey]).verified).toEqual(['operator'])
  })

  test.each([
    ['text', 'canary-7c1f'],
    [
      'an RSA key',
      generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'pem', type: 'pkcs8' }),
    ],
    ['a public key', generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' })],
    [
      'an encrypted key',
      generateKeyPairSync('ed25519').privateKey.export({
        format: 'pem',
        type: 'pkcs8',
        cipher: 'aes-256-cbc',
        passphrase: 'canary-7c1f',
      } as const),
    ],
  ])('is not made of %s, and what was given is not said', (_, pem) => {
    let message = ''
    try {
      new NoteSigner('operator', pem.toString())
    } catch (error) {
      message = inspect(error)
    }
    expect(message).toContain('AUDIT_NOTE_MALFORMED')
    for (const line of pem
      .toString()
      .split('\n')
      .filter((text) => !text.startsWith('-----') && text)) {
      expect(message).not.toContain(line)
    }
  })

  test('that signs shows its private half to nobody', () => {
    const seed = randomBytes(32)
    const signer = signerOf('operator', seed)
    const shown = inspect(signer, { depth: 9, showHidden: true }) + JSON.stringify(signer)
    expect(shown).not.toContain(seed.toString('hex'))
    expect(shown).not.toContain(seed.toString('base64'))
    expect(JSON.stringify(signer)).not.toContain('rivate')
  })
})
