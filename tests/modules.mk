SRC_conf_test :=	parent/conf.c parent/parse.y
USES_conf_test := imsg

SRC_qmp_test :=		monitord/qmp.c
USES_qmp_test :=	imsg
SRC_qmp :=		monitord/qmp.c
USES_qmp :=		imsg
SRC_monitord_test :=	monitord/guest.c monitord/ops.c monitord/console.c \
			monitord/vnc.c monitord/foreign.c monitord/qmp.c
USES_monitord_test :=	imsg

SRC_netd_test :=	tests/netd_peer.c
USES_netd_test :=	rpc imsg
SRC_netd_hostile_test :=	tests/netd_peer.c
USES_netd_hostile_test := rpc imsg
SRC_outq_test :=		netd/outq.c
USES_outq_test :=	imsg

SRC_hostile_netd_test :=	tests/qemud_peer.c
USES_hostile_netd_test := rpc imsg
SRC_qemud_test :=	tests/qemud_peer.c
USES_qemud_test :=	rpc imsg
USES_hostile_qemud :=	imsg
SRC_client_test :=	tests/client_peer.c
USES_client_test :=	client rpc

SRC_image_test :=	qemud/image.c
USES_image_test :=	imsg
SRC_qemuctl_test :=	tests/client_peer.c
USES_qemuctl_test :=	client rpc
