import { Injectable } from '@nestjs/common';
import { EtcdStore } from '#etcd';
import { Periodic } from '../health/periodic.decorator.js';

/** Removes what a crash in the middle of a large write has left in etcd. */
@Injectable()
export class EtcdSweep {
  constructor(private readonly etcd: EtcdStore) {}

  @Periodic({ name: 'sweep-etcd', everyMs: 3_600_000, atStart: true })
  async sweep(): Promise<void> {
    await this.etcd.sweep();
  }
}
