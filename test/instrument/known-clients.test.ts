import { describe, expect, it } from 'vitest'
import { CLIENT_HOOKS } from '../../src/instrument/client-hooks.js'
import { isCovered, KNOWN_CLIENTS } from '../../src/instrument/known-clients.js'

describe('the clients that are known', () => {
  it('are hooked by those that the table names, and no others but those of identities', () => {
    const hooked = new Set(CLIENT_HOOKS.flatMap(({ packages }) => packages))
    const named = [...KNOWN_CLIENTS].flatMap(([name, { layer }]) => (layer === 'hook' ? [name] : []))
    expect(named.filter((name) => !hooked.has(name))).toEqual([])
    expect([...hooked].filter((name) => !named.includes(name))).toEqual(['@aws-sdk/client-sts'])
  })
})

it.each([
  ['node-vault', 'hooked', true],
  ['node-vault', 'not_hooked', true],
  ['@1password/sdk', 'hooked', true],
  ['@1password/sdk', 'not_hooked', false],
  ['@google-cloud/secret-manager', 'not_hooked', false],
  ['wire:vault', 'wire', true],
  ['grpc:gcp', 'observed', false],
  ['somebody’s client', 'not_hooked', false],
])('%s, %s: covered is %s', (name, state, expected) => {
  expect(isCovered({ name, state })).toBe(expected)
})
