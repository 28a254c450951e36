// Another vendor's tracer, registered before anything else: real ids, and no audit span processor.
import { trace } from '@opentelemetry/api'

class ForeignSpan {
  #context = { traceId: 'f'.repeat(32), spanId: 'e'.repeat(16), traceFlags: 1 }
  spanContext = () => this.#context
  isRecording = () => true
  end = () => {}
  setAttribute = () => this
  setAttributes = () => this
  addEvent = () => this
  addLink = () => this
  addLinks = () => this
  setStatus = () => this
  updateName = () => this
  recordException = () => {}
}

class ForeignTracer {
  startSpan = () => new ForeignSpan()
  startActiveSpan = (...args) => args.at(-1)(new ForeignSpan())
}

class ForeignTracerProvider {
  getTracer = () => new ForeignTracer()
}

trace.setGlobalTracerProvider(new ForeignTracerProvider())
