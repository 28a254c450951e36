import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errorText } from '../../src/host/error-text.js'

const SRC = join(import.meta.dirname, '../../src')

class Hostile extends Error {
  override get message(): string {
    throw new Error('canary')
  }
}

describe('the text of an error', () => {
  test.each<[string, unknown, string]>([
    ['an error', new TypeError('it is away'), 'it is away'],
    ['a text', 'thrown as it is', 'thrown as it is'],
    ['nothing', undefined, 'undefined'],
    ['a symbol', Symbol('why'), 'Symbol(why)'],
    ['an error whose message is none', Object.assign(new Error('x'), { message: 7 }), '7'],
  ])('of %s', (_, thrown, text) => {
    expect(errorText(thrown)).toBe(text)
  })

  test.each<[string, unknown]>([
    ['an error whose message throws', new Hostile()],
    ['an object without a prototype', Object.create(null)],
    [
      'an object whose toString throws',
      {
        toString: () => {
          throw new Error('canary')
        },
      },
    ],
    ['a revoked proxy', revoked()],
  ])('is one even of %s', (_, thrown) => {
    expect(errorText(thrown)).toBe('an error that does not say what it is')
  })

  test('is asked for here only', () => {
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.ts'),
    )
    const guilty = files.filter((path) =>
      /instanceof Error\s*\?\s*\w+\.message/.test(readFileSync(join(SRC, path), 'utf8')),
    )
    expect(guilty).toEqual([join('host', 'error-text.ts')])
  })
})

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
