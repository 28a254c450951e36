import type { AuditPipeline } from '../contract/pipeline.js'

/** A pipeline that is put together when it is first looked at. */
export function lazyPipeline(pipeline: () => AuditPipeline): AuditPipeline {
  return {
    get ids() {
      return pipeline().ids
    },
    get identity() {
      return pipeline().identity
    },
    get policy() {
      return pipeline().policy
    },
    tracing: true,
    submit: (ticket, route) => pipeline().submit(ticket, route),
  }
}
