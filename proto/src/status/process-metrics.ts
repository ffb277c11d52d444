// What any process of a cluster measures of itself for Prometheus; each kind of process adds its own to it.
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export class ProcessMetrics {
  /** Where further metrics are registered. */
  readonly registers: readonly [Registry] = [new Registry()];

  /**
   * @param name of the gauge that shows the facts; it is always 1
   * @param facts name, version and so on
   */
  constructor(name: string, help: string, facts: Readonly<Record<string, string>>) {
    const [register] = this.registers;
    collectDefaultMetrics({ register });
    const labelNames = Object.keys(facts);
    new Gauge({ name, help, labelNames, registers: [register] }).set({ ...facts }, 1);
  }

  /** Adds a number that is looked at when somebody asks; true counts as 1. */
  gauge(name: string, help: string, value: () => number | boolean): void {
    new Gauge({
      name,
      help,
      registers: [...this.registers],
      collect() {
        this.set(Number(value()));
      },
    });
  }

  get contentType(): string {
    return this.registers[0].contentType;
  }

  /** In Prometheus' text format. */
  async text(): Promise<string> {
    return await this.registers[0].metrics();
  }
}
