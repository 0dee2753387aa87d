import { Module } from '@nestjs/common';
import { EtcdStore } from '#etcd';
import { JournalController } from './journal.controller.js';
import { EtcdJournalReader, JournalReader } from './journal-reader.js';

/** Who did what. */
@Module({
  controllers: [JournalController],
  providers: [
    {
      provide: JournalReader,
      inject: [EtcdStore],
      useFactory: (etcd: EtcdStore) => new EtcdJournalReader(etcd),
    },
  ],
})
export class JournalModule {}
