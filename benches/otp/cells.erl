%% A counter as a gen_server, in two versions: the macro VSN says which, as two files of one name would.
-module(cells).
-behaviour(gen_server).
-vsn(?VSN).
-export([start_link/0, init/1, handle_call/3, handle_cast/2, code_change/3]).

start_link() -> gen_server:start_link(?MODULE, [], []).

-if(?VSN =:= 1).
init([]) -> {ok, {v1, 0}}.

handle_call({add, By}, _From, {v1, Count}) -> {reply, Count + By, {v1, Count + By}};
handle_call(version, _From, State) -> {reply, 1, State}.

code_change(_Old, State, _Extra) -> {ok, State}.
-else.
init([]) -> {ok, {v2, 0, 0}}.

handle_call({add, By}, _From, {v2, Count, Additions}) -> {reply, Count + By, {v2, Count + By, Additions + 1}};
handle_call(version, _From, State) -> {reply, 2, State}.

code_change(_Old, {v1, Count}, _Extra) -> {ok, {v2, Count, 0}}.
-endif.

handle_cast(_, State) -> {noreply, State}.
