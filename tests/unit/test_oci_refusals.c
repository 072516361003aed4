/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong in config.json is refused with its place and in exact words. What is accepted: test_oci_spec.c. */
#include "oci_test.h"

struct refusal {
	const char *text, *message;
};

static void expect_all(const struct refusal *refusals, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *message = xprintf("config.json: %s", refusals[i].message);

		expect_refused(refusals[i].text, message);
		free(message);
	}
}

static void what_is_not_json_by_line_and_column(void **state)
{
	static const struct refusal refusals[] = {
		{ "{\n 'a': 1,\n 'b': !\n}", "line 3, column 7: invalid token near '!'" },
		{ "", "line 1, column 0: '[' or '{' expected near end of file" },
		{ "{'a': 18446744073709551615 18446744073709551615}",
			"line 1, column 47: '}' expected near '18446744073709551615'" },
		{ "{'x':18446744073709551615,\n'a':1,\n'a':2}", "line 3, column 3: duplicate object key near '\"a\"'" },
		{ "{'ociVersion':'1.0.0'} x", "line 1, column 24: end of file expected near 'x'" },
		{ "{'a':\n\n 'b\\u0000c'}", "line 3, column 4: a string must not hold the character \\u0000" },
		{ "{'gr\xc3\xbc\xc3\x9f': 'b\\u0000c'}",
			"line 1, column 12: a string must not hold the character \\u0000" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void the_document_itself(void **state)
{
	static const struct refusal refusals[] = {
		{ "[1]", "wrong type: expected an object, found an array" },
		{ "{}", "ociVersion: is missing" },
		{ "{'ociVersion':1}", "ociVersion: wrong type: expected a string, found an integer" },
		{ "{'ociVersion':'2.0.0'}", "ociVersion: \"2.0.0\" is not supported (1.x is)" },
		{ "{'ociVersion':'0.5.0-dev'}", "ociVersion: \"0.5.0-dev\" is not supported (1.x is)" },
		{ "{'ociVersion':'10.0.0'}", "ociVersion: \"10.0.0\" is not supported (1.x is)" },
		{ "{'ociVersion':'one'}", "ociVersion: \"one\" is not a version such as \"1.2.0\"" },
		{ "{'ociVersion':'1.x'}", "ociVersion: \"1.x\" is not a version such as \"1.2.0\"" },
		{ "{'ociVersion':'1.0.0','root':{'path':'r'}}", "process: is missing: there is nothing to run" },
		{ "{'ociVersion':'1.0.0','process':{" PROCESS "}}", "root: is missing" },
		{ "{'ociVersion':'1.0.0','process':{" PROCESS "},'root':{}}", "root.path: is missing" },
		{ "{'ociVersion':'1.0.0','process':{" PROCESS "},'root':{'path':''}}", "root.path: is empty" },
		{ CONFIG(",'windows':{'layerFolders':[]}"),
			"windows: containers of this platform do not run here (Linux is what does)" },
		{ CONFIG(",'solaris':{}"),
			"solaris: containers of this platform do not run here (Linux is what does)" },
		{ CONFIG(",'freebsd':{}"),
			"freebsd: containers of this platform do not run here (Linux is what does)" },
		{ CONFIG(",'zos':{}"), "zos: containers of this platform do not run here (Linux is what does)" },
		{ CONFIG(",'annotations':{'a\tb':1}"), "line 1, column 100: control character 0x9 near '\"a'" },
		{ CONFIG(",'annotations':{'a\\u0007b':1}"),
			"annotations[\"a?b\"]: wrong type: expected a string, found an integer" },
		{ CONFIG(",'annotations':{'':'x'}"), "annotations: a key is empty" },
		{ CONFIG(",'annotations':{'a':18446744073709551615}"),
			"annotations[\"a\"]: wrong type: expected a string, found an integer" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void process(void **state)
{
	static const struct refusal refusals[] = {
		{ CONFIG_OF("'cwd':'/','args':'sh'", ""),
			"process.args: wrong type: expected an array, found a string" },
		{ CONFIG_OF("'cwd':'/','args':['sh',1]", ""),
			"process.args[1]: wrong type: expected a string, found an integer" },
		{ CONFIG_OF("'cwd':'/','args':[null]", ""),
			"process.args[0]: wrong type: expected a string, found null" },
		{ CONFIG_OF("'cwd':'/','args':[]", ""), "process.args: is empty" },
		{ CONFIG_OF("'cwd':'/'", ""), "process.args: is missing" },
		{ CONFIG_OF("'args':['sh']", ""), "process.cwd: is missing" },
		{ CONFIG_OF("'args':['sh'],'cwd':''", ""), "process.cwd: is empty" },
		{ CONFIG_OF("'args':['sh'],'cwd':'tmp'", ""), "process.cwd: must be an absolute path, not \"tmp\"" },
		{ CONFIG_OF(PROCESS ",'terminal':1", ""),
			"process.terminal: wrong type: expected a boolean, found an integer" },
		{ CONFIG_OF("'cwd':'/','commandLine':'cmd'", ""),
			"process.commandLine: is for Windows only (args is what runs here)" },
		{ CONFIG_OF(PROCESS ",'user':{'uid':-1}", ""),
			"process.user.uid: -1 is out of range (0 to 4294967294)" },
		{ CONFIG_OF(PROCESS ",'user':{'uid':4294967295}", ""),
			"process.user.uid: 4294967295 is out of range (0 to 4294967294)" },
		{ CONFIG_OF(PROCESS ",'user':{'gid':18446744073709551615}", ""),
			"process.user.gid: 18446744073709551615 is out of range (0 to 4294967294)" },
		{ CONFIG_OF(PROCESS ",'user':{'gid':1.5}", ""),
			"process.user.gid: wrong type: expected an integer, found a real number" },
		{ CONFIG_OF(PROCESS ",'user':{'gid':1e999}", ""),
			"process.user.gid: wrong type: expected an integer, found a real number" },
		{ CONFIG_OF(PROCESS ",'user':{'additionalGids':[1,'wheel']}", ""),
			"process.user.additionalGids[1]: wrong type: expected an integer, found a string" },
		{ CONFIG_OF(PROCESS ",'user':{'umask':512}", ""),
			"process.user.umask: 512 is out of range (0 to 511)" },
		{ CONFIG_OF(PROCESS ",'consoleSize':{'width':80}", ""), "process.consoleSize.height: is missing" },
		{ CONFIG_OF(PROCESS ",'consoleSize':{'width':80,'height':65536}", ""),
			"process.consoleSize.height: 65536 is out of range (0 to 65535)" },
		{ CONFIG_OF(PROCESS ",'capabilities':['CAP_KILL']", ""),
			"process.capabilities: wrong type: expected an object, found an array" },
		{ CONFIG_OF(PROCESS ",'oomScoreAdj':1001", ""),
			"process.oomScoreAdj: 1001 is out of range (-1000 to 1000)" },
		{ CONFIG_OF(PROCESS ",'oomScoreAdj':18446744073709551615", ""),
			"process.oomScoreAdj: 18446744073709551615 is out of range (-1000 to 1000)" },
		{ CONFIG_OF(PROCESS ",'oomScoreAdj':-99999999999999999999", ""),
			"process.oomScoreAdj: a number beyond 64 bits is out of range (-1000 to 1000)" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void limits_and_scheduling(void **state)
{
	static const struct refusal refusals[] = {
		{ CONFIG_OF(PROCESS ",'rlimits':[{'type':'RLIMIT_FOO','soft':1,'hard':1}]", ""),
			"process.rlimits[0].type: unknown rlimit \"RLIMIT_FOO\"" },
		{ CONFIG_OF(PROCESS ",'rlimits':[{'type':'RLIMIT_AS','soft':1}]", ""),
			"process.rlimits[0].hard: is missing" },
		{ CONFIG_OF(PROCESS ",'rlimits':[{'type':'RLIMIT_AS','soft':-1,'hard':1}]", ""),
			"process.rlimits[0].soft: -1 is out of range (0 to 18446744073709551615)" },
		{ CONFIG_OF(PROCESS ",'rlimits':[{'type':'RLIMIT_AS','soft':18446744073709551616,'hard':1}]", ""),
			"process.rlimits[0].soft: a number beyond 64 bits is out of range (0 to "
			"18446744073709551615)" },
		{ CONFIG_OF(PROCESS
			  ",'rlimits':[{'type':'RLIMIT_AS','soft':1,'hard':1},{'type':'RLIMIT_AS','soft':1,'hard':1}]",
			  ""),
			"process.rlimits: RLIMIT_AS is there more than once" },
		{ CONFIG_OF(PROCESS ",'scheduler':{'nice':1}", ""), "process.scheduler.policy: is missing" },
		{ CONFIG_OF(PROCESS ",'scheduler':{'policy':'SCHED_FAST'}", ""),
			"process.scheduler.policy: unknown scheduler policy \"SCHED_FAST\"" },
		{ CONFIG_OF(PROCESS ",'scheduler':{'policy':'SCHED_OTHER','nice':20}", ""),
			"process.scheduler.nice: 20 is out of range (-20 to 19)" },
		{ CONFIG_OF(PROCESS ",'scheduler':{'policy':'SCHED_OTHER','priority':1}", ""),
			"process.scheduler.priority: is for SCHED_FIFO and SCHED_RR only" },
		{ CONFIG_OF(PROCESS ",'scheduler':{'policy':'SCHED_RR','runtime':1}", ""),
			"process.scheduler: runtime, deadline and period are for SCHED_DEADLINE only" },
		{ CONFIG_OF(PROCESS ",'scheduler':{'policy':'SCHED_RR','flags':['X']}", ""),
			"process.scheduler.flags[0]: unknown scheduler flag \"X\"" },
		{ CONFIG_OF(PROCESS ",'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':8}", ""),
			"process.ioPriority.priority: 8 is out of range (0 to 7)" },
		{ CONFIG_OF(PROCESS ",'ioPriority':{'class':'BE'}", ""),
			"process.ioPriority.class: unknown I/O priority class \"BE\"" },
		{ CONFIG_OF(PROCESS ",'execCPUAffinity':{'initial':'3-1'}", ""),
			"process.execCPUAffinity.initial: \"3-1\" is not a list of numbers such as \"0-3,7\"" },
		{ CONFIG_OF(PROCESS ",'execCPUAffinity':{'final':'1;2'}", ""),
			"process.execCPUAffinity.final: \"1;2\" is not a list of numbers such as \"0-3,7\"" },
		{ CONFIG_OF(PROCESS ",'execCPUAffinity':{'final':'1 2'}", ""),
			"process.execCPUAffinity.final: a blank between two numbers is not a separator" },
		{ CONFIG_OF(PROCESS ",'execCPUAffinity':{'final':'1,'}", ""),
			"process.execCPUAffinity.final: \"1,\" is not a list of numbers such as \"0-3,7\"" },
		{ CONFIG_OF(PROCESS ",'execCPUAffinity':{'final':' '}", ""),
			"process.execCPUAffinity.final: \"\" is not a list of numbers such as \"0-3,7\"" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void mounts_and_hooks(void **state)
{
	static const struct refusal refusals[] = {
		{ CONFIG(",'mounts':{}"), "mounts: wrong type: expected an array, found an object" },
		{ CONFIG(",'mounts':[{'destination':'/a'},{'type':'proc'}]"), "mounts[1].destination: is missing" },
		{ CONFIG(",'mounts':[{'destination':''}]"), "mounts[0].destination: is empty" },
		{ CONFIG(",'mounts':[{'destination':'/a','type':'bind'}]"),
			"mounts[0].source: is missing (a bind mount needs it)" },
		{ CONFIG(",'mounts':[{'destination':'/a','options':'ro'}]"),
			"mounts[0].options: wrong type: expected an array, found a string" },
		{ CONFIG(",'mounts':[{'destination':'/a','uidMappings':[{'containerID':0,'hostID':0,'size':1}]}]"),
			"mounts[0].gidMappings: is missing (uidMappings is there)" },
		{ CONFIG(",'mounts':[{'destination':'/a','gidMappings':[{'containerID':0,'hostID':0,'size':1}]}]"),
			"mounts[0].uidMappings: is missing (gidMappings is there)" },
		{ CONFIG(",'hooks':{'poststop':[{'args':['x']}]}"), "hooks.poststop[0].path: is missing" },
		{ CONFIG(",'hooks':{'prestart':[{'path':'x'}]}"),
			"hooks.prestart[0].path: must be an absolute path, not \"x\"" },
		{ CONFIG(",'hooks':{'prestart':[{'path':'/x','timeout':0}]}"),
			"hooks.prestart[0].timeout: 0 is out of range (1 to 2147483)" },
		{ CONFIG(",'hooks':{'createRuntime':{}}"),
			"hooks.createRuntime: wrong type: expected an array, found an object" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void namespaces_and_mappings(void **state)
{
	static const struct refusal refusals[] = {
		{ LINUX("'namespaces':[{'type':'pid'},{'type':'mount'},{'type':'foo'}]"),
			"linux.namespaces[2].type: unknown namespace \"foo\"" },
		{ LINUX("'namespaces':[{'type':'pid'},{'type':'pid','path':'/p'}]"),
			"linux.namespaces[1].type: namespace \"pid\" is there more than once" },
		{ LINUX("'namespaces':[{'path':'/x'}]"), "linux.namespaces[0].type: is missing" },
		{ LINUX("'namespaces':[{'type':'pid','path':'x'}]"),
			"linux.namespaces[0].path: must be an absolute path, not \"x\"" },
		{ LINUX("'namespaces':[{'type':'user'}]"),
			"linux.uidMappings: is missing (a new user namespace needs it)" },
		{ LINUX("'namespaces':[{'type':'user'}],'uidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
			"linux.gidMappings: is missing (a new user namespace needs it)" },
		{ LINUX("'uidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
			"linux.uidMappings: needs a user namespace in linux.namespaces" },
		{ LINUX("'uidMappings':[{'containerID':0,'hostID':0,'size':0}]"),
			"linux.uidMappings[0].size: is zero" },
		{ LINUX("'gidMappings':[{'containerID':1,'hostID':0,'size':4294967295}]"),
			"linux.gidMappings[0].size: 4294967295 reaches beyond the last ID, 4294967294" },
		{ LINUX("'gidMappings':[{'containerID':1,'hostID':0}]"), "linux.gidMappings[0].size: is missing" },
		{ LINUX("'timeOffsets':{'monotonic':{'secs':1}}"),
			"linux.timeOffsets: needs a time namespace in linux.namespaces" },
		{ LINUX("'namespaces':[{'type':'time','path':'/t'}],'timeOffsets':{'boottime':{'secs':1}}"),
			"linux.timeOffsets: needs a new time namespace; the offsets of /t are fixed" },
		{ LINUX("'timeOffsets':{'monotonic':{'nanosecs':1000000000}}"),
			"linux.timeOffsets.monotonic.nanosecs: 1000000000 is out of range (0 to 999999999)" },
		{ LINUX("'timeOffsets':{'realtime':{}}"), "linux.timeOffsets: unknown clock \"realtime\"" },
		{ CONFIG(",'hostname':'x'"), "hostname: needs a uts namespace in linux.namespaces" },
		{ CONFIG(",'domainname':'x'"), "domainname: needs a uts namespace in linux.namespaces" },
		{ LINUX("'maskedPaths':['/proc/kcore']"),
			"linux.maskedPaths: needs a mount namespace in linux.namespaces" },
		{ LINUX("'readonlyPaths':['/proc/sys']"),
			"linux.readonlyPaths: needs a mount namespace in linux.namespaces" },
		{ LINUX("'readonlyPaths':['/proc/sys','proc']"),
			"linux.readonlyPaths[1]: must be an absolute path, not \"proc\"" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void the_rest_of_linux(void **state)
{
	static const struct refusal refusals[] = {
		{ LINUX("'devices':[{'path':'/dev/x','type':'x','major':1,'minor':1}]"),
			"linux.devices[0].type: unknown device type \"x\" (c, b, u and p are known)" },
		{ LINUX("'devices':[{'path':'/dev/x','type':'c','minor':1}]"), "linux.devices[0].major: is missing" },
		{ LINUX("'devices':[{'path':'/dev/x','type':'c','major':1}]"), "linux.devices[0].minor: is missing" },
		{ LINUX("'devices':[{'path':'dev','type':'p'}]"),
			"linux.devices[0].path: must be an absolute path, not \"dev\"" },
		{ LINUX("'devices':[{'type':'p'}]"), "linux.devices[0].path: is missing" },
		{ LINUX("'devices':[{'path':'/d','type':'c','major':-1,'minor':1}]"),
			"linux.devices[0].major: -1 is out of range (0 to 4294967295)" },
		{ LINUX("'netDevices':{'eth0':{}}"),
			"linux.netDevices: needs a network namespace in linux.namespaces" },
		{ LINUX("'netDevices':{'a/b':{}}"),
			"linux.netDevices[\"a/b\"]: is not the name of a network interface" },
		{ LINUX("'netDevices':{'eth0':{'name':'a234567890123456'}}"),
			"linux.netDevices[\"eth0\"].name: \"a234567890123456\" is not the name of a network "
			"interface" },
		{ LINUX("'netDevices':{'eth0':{},'eth1':{'name':'eth0'}}"),
			"linux.netDevices: two interfaces would be named \"eth0\"" },
		{ LINUX("'sysctl':{'kernel.x':1}"),
			"linux.sysctl[\"kernel.x\"]: wrong type: expected a string, found an integer" },
		{ LINUX("'rootfsPropagation':'public'"), "linux.rootfsPropagation: unknown propagation \"public\"" },
		{ LINUX("'personality':{'domain':'BSD'}"),
			"linux.personality.domain: unknown personality domain \"BSD\"" },
		{ LINUX("'personality':{'domain':'LINUX','flags':['X']}"),
			"linux.personality.flags: no flags are known" },
		{ LINUX("'memoryPolicy':{'mode':'MPOL_X'}"),
			"linux.memoryPolicy.mode: unknown memory policy mode \"MPOL_X\"" },
		{ LINUX("'memoryPolicy':{'mode':'MPOL_BIND','nodes':'all'}"),
			"linux.memoryPolicy.nodes: \"all\" is not a list of numbers such as \"0-3,7\"" },
		{ LINUX("'intelRdt':{'closID':'../x'}"),
			"linux.intelRdt.closID: \"../x\" is not the name of a directory" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void resources(void **state)
{
	static const struct refusal refusals[] = {
		{ RESOURCES("'memory':{'limit':'1G'}"),
			"linux.resources.memory.limit: wrong type: expected an integer, found a string" },
		{ RESOURCES("'memory':{'limit':-2}"),
			"linux.resources.memory.limit: -2 is out of range (-1 to 9223372036854775807)" },
		{ RESOURCES("'memory':{'limit':9223372036854775808}"),
			"linux.resources.memory.limit: 9223372036854775808 is out of range (-1 to "
			"9223372036854775807)" },
		{ RESOURCES("'memory':{'swappiness':101}"),
			"linux.resources.memory.swappiness: 101 is out of range (0 to 100)" },
		{ RESOURCES("'cpu':{'idle':2}"), "linux.resources.cpu.idle: 2 is out of range (0 to 1)" },
		{ RESOURCES("'cpu':{'shares':-1}"),
			"linux.resources.cpu.shares: -1 is out of range (0 to 18446744073709551615)" },
		{ RESOURCES("'cpu':[]"), "linux.resources.cpu: wrong type: expected an object, found an array" },
		{ RESOURCES("'blockIO':{'weight':5}"),
			"linux.resources.blockIO.weight: 5 is out of range (10 to 1000)" },
		{ RESOURCES("'blockIO':{'throttleReadBpsDevice':[{'major':1,'rate':1}]}"),
			"linux.resources.blockIO.throttleReadBpsDevice[0].minor: is missing" },
		{ RESOURCES("'devices':[{'type':'c'}]"), "linux.resources.devices[0].allow: is missing" },
		{ RESOURCES("'devices':[{'allow':true,'type':'p'}]"),
			"linux.resources.devices[0].type: unknown device type \"p\" (a, b and c are known)" },
		{ RESOURCES("'devices':[{'allow':true,'major':1,'minor':3}]"),
			"linux.resources.devices[0]: major and minor need a type (b or c)" },
		{ RESOURCES("'devices':[{'allow':true,'access':'rx'}]"),
			"linux.resources.devices[0].access: \"rx\" holds more than the letters r, w and m" },
		{ RESOURCES("'devices':[{'allow':true,'access':''}]"), "linux.resources.devices[0].access: is empty" },
		{ RESOURCES("'hugepageLimits':[{'pageSize':'2mb','limit':1}]"),
			"linux.resources.hugepageLimits[0].pageSize: \"2mb\" is not a page size such as \"2MB\"" },
		{ RESOURCES("'unified':{'../memory.max':'1'}"),
			"linux.resources.unified[\"../memory.max\"]: the key is not the name of a file" },
		{ RESOURCES("'rdma':{'m':{'hcaHandles':4294967296}}"),
			"linux.resources.rdma[\"m\"].hcaHandles: 4294967296 is out of range (0 to 4294967295)" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void seccomp(void **state)
{
	static const struct refusal refusals[] = {
		{ LINUX("'seccomp':{}"), "linux.seccomp.defaultAction: is missing" },
		{ LINUX("'seccomp':{'defaultAction':'ALLOW'}"),
			"linux.seccomp.defaultAction: unknown seccomp action \"ALLOW\"" },
		{ SECCOMP(",'defaultErrnoRet':1"),
			"linux.seccomp.defaultErrnoRet: is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only" },
		{ SECCOMP(",'architectures':['SCMP_ARCH_VAX']"),
			"linux.seccomp.architectures[0]: unknown seccomp architecture \"SCMP_ARCH_VAX\"" },
		{ SECCOMP(",'flags':['SECCOMP_X']"), "linux.seccomp.flags[0]: unknown seccomp flag \"SECCOMP_X\"" },
		{ SECCOMP(",'listenerPath':'x'"), "linux.seccomp.listenerPath: must be an absolute path, not \"x\"" },
		{ SECCOMP(",'listenerMetadata':'x'"),
			"linux.seccomp.listenerPath: is missing (listenerMetadata is there)" },
		{ SECCOMP(",'syscalls':[{'names':['a'],'action':'SCMP_ACT_NOTIFY'}]"),
			"linux.seccomp.listenerPath: is missing (SCMP_ACT_NOTIFY needs it)" },
		{ SECCOMP(",'syscalls':[{'names':[],'action':'SCMP_ACT_KILL'}]"),
			"linux.seccomp.syscalls[0].names: is empty" },
		{ SECCOMP(",'syscalls':[{'action':'SCMP_ACT_KILL'}]"), "linux.seccomp.syscalls[0].names: is missing" },
		{ SECCOMP(",'syscalls':[{'names':['a']}]"), "linux.seccomp.syscalls[0].action: is missing" },
		{ SECCOMP(",'syscalls':[{'names':['a'],'action':'SCMP_ACT_ALLOW','errnoRet':1}]"),
			"linux.seccomp.syscalls[0].errnoRet: is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only" },
		{ SECCOMP(",'syscalls':[{'names':['a'],'action':'SCMP_ACT_ERRNO','errnoRet':65536}]"),
			"linux.seccomp.syscalls[0].errnoRet: 65536 is out of range (0 to 65535)" },
		{ SECCOMP(",'syscalls':[{'names':['a'],'action':'SCMP_ACT_KILL','args':[{'index':6,'value':0,'op':'"
			  "SCMP_CMP_EQ'}]}]"),
			"linux.seccomp.syscalls[0].args[0].index: 6 is out of range (0 to 5)" },
		{ SECCOMP(",'syscalls':[{'names':['a'],'action':'SCMP_ACT_KILL','args':[{'index':0,'value':0,'op':'=='}"
			  "]}]"),
			"linux.seccomp.syscalls[0].args[0].op: unknown seccomp operator \"==\"" },
		{ SECCOMP(",'syscalls':[{'names':['a'],'action':'SCMP_ACT_KILL',"
			  "'args':[{'index':0,'value':18446744073709551616,'op':'SCMP_CMP_EQ'}]}]"),
			"linux.seccomp.syscalls[0].args[0].value: a number beyond 64 bits is out of range "
			"(0 to 18446744073709551615)" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void vm(void **state)
{
	static const struct refusal refusals[] = {
		{ CONFIG(",'vm':{'kernel':{}}"), "vm.kernel.path: is missing" },
		{ CONFIG(",'vm':{'kernel':{'path':'vmlinux'}}"),
			"vm.kernel.path: must be an absolute path, not \"vmlinux\"" },
		{ CONFIG(",'vm':{'image':{'path':'/i'}}"), "vm.image.format: is missing" },
		{ CONFIG(",'vm':{'image':{'path':'/i','format':'iso'}}"),
			"vm.image.format: unknown image format \"iso\"" },
		{ CONFIG(",'vm':{'hwConfig':{'vcpus':0}}"), "vm.hwConfig.vcpus: 0 is out of range (1 to 4294967295)" },
		{ CONFIG(",'vm':{'hwconfig':{'vcpus':'2'}}"),
			"vm.hwconfig.vcpus: wrong type: expected an integer, found a string" },
		{ CONFIG(",'vm':{'hwConfig':{},'hwconfig':{}}"),
			"vm.hwconfig: is there beside hwConfig, which is the same object" },
	};

	(void)state;
	expect_all(refusals, ARRAY_SIZE(refusals));
}

static void files_by_their_names(void **state)
{
	static const char process_text[] = "{\"cwd\": \"/\"}", resources_text[] = "{\"pids\": 5}";
	struct oci_process *process_read = NULL;
	struct oci_resources *resources_read = NULL;
	struct oci_spec *spec = NULL;
	struct error err = { .code = 0 };

	(void)state;
	assert_int_equal(oci_process_parse(&process_read, process_text, strlen(process_text), "exec-1", &err), -EINVAL);
	assert_string_equal(err.message, "exec-1: args: is missing");
	assert_int_equal(
		oci_resources_parse(&resources_read, resources_text, strlen(resources_text), "stdin", &err), -EINVAL);
	assert_string_equal(err.message, "stdin: pids: wrong type: expected an object, found an integer");
	assert_int_equal(oci_spec_load(&spec, AT_FDCWD, DATA "none.json", &err), -ENOENT);
	assert_string_equal(err.message, "read " DATA "none.json: No such file or directory");
	assert_int_equal(oci_spec_load(&spec, AT_FDCWD, "/dev/null", &err), -EINVAL);
	assert_string_equal(err.message, "read /dev/null: this is no plain file");
	assert_null(spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_json_by_line_and_column),
		cmocka_unit_test(the_document_itself),
		cmocka_unit_test(process),
		cmocka_unit_test(limits_and_scheduling),
		cmocka_unit_test(mounts_and_hooks),
		cmocka_unit_test(namespaces_and_mappings),
		cmocka_unit_test(the_rest_of_linux),
		cmocka_unit_test(resources),
		cmocka_unit_test(seccomp),
		cmocka_unit_test(vm),
		cmocka_unit_test(files_by_their_names),
	};

	return cmocka_run_group_tests_name("config.json is refused for", tests, NULL, NULL);
}
