/* The subcommands of ringfence-fleet, for the help and the options of both programs. What they do is in
 * enforcer/fleet_cli, a file for each. */
#include "compiler/cli/cli.h"

const struct subcommand fleet_subcommands[] = {
    {"keygen", "FILE", "makes a pair of keys to sign policies with",
     "The private key goes to FILE, for its owner alone, and the public one to FILE.pub: a line that the daemon's\n"
     "configuration takes, as the path of such a file. Neither is overwritten.",
     "f", "text|json", NULL},
    {"enroll", "PUBLICKEY --node NAME --key KEYFILE -o FILE", "says that a key is that of a node",
     "The node's daemon then signs what it says of its workloads (`signing_key`, `enrolment`), and others, whose\n"
     "configuration trusts KEYFILE's public key, believe it of itself. Of two enrolments of a node the later one "
     "counts.",
     "nKof", "text|json", NULL},
    {"sign", "POLICY... -o FILE --key KEYFILE [--revision N] [--staged]",
     "makes a signed bundle of a policy, which daemons take from those they trust",
     "POLICY is files or directories, or git:REV[:PATH] for what is committed, whose commit the bundle then names. It "
     "is\n"
     "checked as `check` does: exit status 1 means that a `never` is broken, and nothing is written. Daemons take no\n"
     "bundle of a smaller revision than they had; without --revision it is the time of the signing, as "
     "20261127081500.\n"
     "The same policy, revision, key and --at give the same bytes.",
     "oKRgDft", "text|json", NULL},
    {"bundle", "FILE --trust KEY... [-o DIRECTORY]", "verifies a bundle and says what was signed",
     "With -o its files are unpacked into DIRECTORY, which must not be there. Exit status 1 means that it is damaged, "
     "or\n"
     "signed by none of the keys: then nothing of it is told, nor unpacked.",
     "oYf", "text|json", NULL},
    {"push", "FILE --trust KEY... [--store FILE]", "puts a bundle into the fleet's store",
     "Nodes whose policy comes from the store then take it, those of a larger revision excepted. The store's file has\n"
     "the keys that `policy: {etcd: ...}` of the daemon's configuration has. Exit status 1 means that the bundle is\n"
     "signed by none of the keys, or that a newer one is in the store.",
     "zYf", "text|json", NULL},
    {"pull", "-o FILE --trust KEY... [--store FILE]", "gets the bundle that is in the fleet's store",
     "FILE must not be there. Exit status 1 means that there is none, or that none of the keys signed it.", "zoYf",
     "text|json", NULL},
    {"fleet", "[--wait REVISION [--timeout SECONDS]] [--store FILE]",
     "lists the nodes: what each enforces, since when, and what is wrong",
     "Exit status 1 means that some node is not heard, drifts, or has not got the bundle that is in the store, or, "
     "with\n"
     "--wait, REVISION; a node that is not heard is not waited for. --forget takes one out for good; where\n"
     "nodes sign what they say, with the --key that enrolled it.",
     "zVXKmf", "text|json", NULL},
    {"rollout", "FILE --key KEYFILE --trust KEY... --stage LABELS... [--soak SECONDS] [--timeout SECONDS]",
     "gives a staged bundle to the fleet, stage by stage, and stops where something goes wrong",
     "Of each stage the nodes with these labels are told, by a signed release, to take the bundle. The next one "
     "follows\n"
     "when all of them that are heard have it in force within --timeout, and then for --soak seconds none of the "
     "nodes\n"
     "that have it drifts, is lost, refuses it, or denies much more than before: twice as much and 60 packets a "
     "minute.\n"
     "Exit status 1 means that it stopped: what has the bundle keeps it, and the rest the one before. The same "
     "command\n"
     "goes on where it stopped.",
     "zKYJOmf", "text|json", NULL},
};
const size_t fleet_subcommand_count = sizeof fleet_subcommands / sizeof *fleet_subcommands;
