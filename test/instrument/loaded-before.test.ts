import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as otel from '@opentelemetry/instrumentation'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LOADED_HOOKS } from '../../src/instrument/client-hooks.js'
import { tellLoadedBefore } from '../../src/instrument/loaded-before.js'
import {
  type InstrumentationPackage,
  secretInstrumentation,
} from '../../src/instrument/secret-instrumentation.js'
import type { InstrumentSettings } from '../../src/instrument/settings.js'
import { type Watched, watched } from './watched.js'

/** A package with nothing in it. */
function installed(
  name: string,
  manifest: string,
): { readonly load: () => unknown; readonly directory: string } {
  const home = mkdtempSync(join(tmpdir(), 'otel-audit-loaded-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const directory = join(home, 'node_modules', name)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'package.json'), manifest)
  writeFileSync(join(directory, 'index.js'), 'module.exports = {}')
  const load = createRequire(join(home, 'application.js'))
  return { load: () => load(`./node_modules/${name}/index.js`), directory }
}

const base = otel as unknown as InstrumentationPackage

function instrumented(settings: Partial<InstrumentSettings> = {}): Watched {
  const at = watched({}, settings)
  secretInstrumentation(base, at.watch, LOADED_HOOKS)
  return at
}

/** What is said of the packages with these versions: the process may have loaded others. */
const entriesOf = ({ watch }: Watched, ...versions: readonly string[]) =>
  watch.coverage.entries().filter(({ version }) => version !== undefined && versions.includes(version))

describe('a client that was loaded before the audit', () => {
  it('is not hooked, and the reason says what to do', () => {
    installed('node-vault', '{ "version": "0.0.41" }').load()
    const at = watched()
    for (let i = 0; i < 2; i++) tellLoadedBefore(at.watch, LOADED_HOOKS)
    expect(entriesOf(at, '0.0.41')).toMatchObject([
      {
        name: 'node-vault',
        state: 'not_hooked',
        reason: 'loaded before the audit: load otel-audit/register first, by --import or --require',
      },
    ])
  })

  it.each([
    ['@google-cloud/kms', '{ "version": 7 }'],
    ['@azure/keyvault-keys', 'no JSON'],
  ])('is named without its version where that is not known: %s, %s', (name, manifest) => {
    const { load, directory } = installed(name, '{}')
    load()
    writeFileSync(join(directory, 'package.json'), manifest)
    const at = watched()
    tellLoadedBefore(at.watch, LOADED_HOOKS)
    expect(at.watch.coverage.entries().filter((entry) => entry.name === name)).toMatchObject([
      { state: 'not_hooked', version: undefined },
    ])
  })

  it('keeps the state that it has already', () => {
    installed('node-vault', '{ "version": "0.0.42" }').load()
    const at = watched()
    at.watch.coverage.copy('node-vault', '0.0.42').hooked('factory')
    tellLoadedBefore(at.watch, LOADED_HOOKS)
    expect(entriesOf(at, '0.0.42')).toMatchObject([{ state: 'hooked' }])
  })

  it('is told of by the instrumentation; not where its hook is off, or nothing of it is recorded', () => {
    installed('node-vault', '{ "version": "0.0.43" }').load()
    installed('@aws-sdk/client-sts', '{ "version": "0.0.44" }').load()
    const versions = ['0.0.43', '0.0.44']
    expect(entriesOf(instrumented({ disable: new Set(['node-vault']) }), ...versions)).toEqual([])
    expect(entriesOf(instrumented({ identity: true }), ...versions)).toMatchObject([
      { name: 'node-vault', state: 'not_hooked' },
      { name: '@aws-sdk/client-sts', state: 'not_hooked' },
    ])
  })
})

describe('a client that nothing sees', () => {
  it('says so when it is loaded, with what to do instead', () => {
    const at = instrumented()
    const { load } = installed('keytar', '{ "name": "keytar", "version": "0.0.45", "main": "index.js" }')
    load()
    expect(entriesOf(at, '0.0.45')).toMatchObject([
      { name: 'keytar', state: 'not_hooked', reason: 'the keyring of the desktop: put guard() around it' },
    ])
  })

  it('is not loaded where coverage is required', () => {
    instrumented({ instrument: 'required' })
    const { load } = installed(
      '@napi-rs/keyring',
      '{ "name": "@napi-rs/keyring", "version": "0.0.46", "main": "index.js" }',
    )
    expect(load).toThrow(expect.objectContaining({ code: 'AUDIT_NOT_COVERED' }))
  })
})
