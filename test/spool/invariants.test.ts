import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ProcessDirectory } from '../../src/spool/directories/process-directory.js'
import { loadLmdb } from '../../src/spool/lmdb/databases.js'
import { SpoolEnvironment } from '../../src/spool/lmdb/environment.js'
import { ExitGate } from '../../src/spool/lmdb/exit-gate.js'
import { HandOut } from '../../src/spool/lmdb/hand-out.js'
import { temporaryDirectory } from './directories.js'

describe('the spool refuses to go on', () => {
  test('when an environment is taken over that is open already', () => {
    const directory = temporaryDirectory()
    const handOut = new HandOut(environmentIn(directory, 'own'), 1024)
    const takenOver = environmentIn(directory, 'adopted-1')
    handOut.takeOver(takenOver)
    expect(() => handOut.takeOver(takenOver)).toThrow(
      'a bug in otel-audit, please report it: an environment is opened once',
    )
    expect(handOut.environments()).toHaveLength(2)
  })

  test('with an environment that was closed', async () => {
    const environment = environmentIn(temporaryDirectory(), 'own')
    await environment.close()
    expect(() => environment.append([new Uint8Array(8)])).toThrow(
      'a bug in otel-audit, please report it: a closed environment',
    )
    expect(() => environment.remove([1])).toThrow(
      'a bug in otel-audit, please report it: a closed environment',
    )
  })

  test('when two things at once would hold the gate open', () => {
    const gate = new ExitGate()
    expect(gate.enter()).toBe(true)
    expect(() => gate.enter()).toThrow(
      'a bug in otel-audit, please report it: the worker does one thing at a time',
    )
    gate.leave()
    expect(gate.enter()).toBe(true)
  })

  test('when an environment is to be set aside that is not one it took over', async () => {
    const directory = temporaryDirectory()
    const own = await ProcessDirectory.claim(directory)
    onTestFinished(() => own.leave())
    await expect(own.setAside(own.ownEnvironment, 'damaged')).rejects.toThrow(
      'a bug in otel-audit, please report it: only an environment',
    )
    const foreign = join(directory, 'adopted-1')
    mkdirSync(foreign)
    await expect(own.setAside(foreign, 'damaged')).rejects.toThrow(
      'a bug in otel-audit, please report it: only an environment',
    )
  })
})

function environmentIn(directory: string, name: string): SpoolEnvironment {
  const path = join(directory, name)
  mkdirSync(path)
  const environment = new SpoolEnvironment(loadLmdb(), path)
  onTestFinished(() => environment.close())
  return environment
}
